"""vLLM: in this process, or as a server of its own that the run starts and stops.

teacher   the backend        engine   in this process        serve    the server, and what ends what is left behind
"""

from synthkd.teachers.vllm.teacher import VllmTeacher

__all__ = ["VllmTeacher"]
