"""The backend `vllm`: in this process, or a server that the run starts and stops.

Modules: `teacher` (the backend), `arguments` (what the engine is started with), `engine` (in this
process) with `api` (the names of vLLM that it uses), `server`, `process_guard` (ends the processes
of a run that was killed).
"""

from synthkd.teachers.vllm.teacher import VllmTeacher

__all__ = ["VllmTeacher"]
