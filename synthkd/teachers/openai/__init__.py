"""Any server that speaks the OpenAI protocol: chat and plain completions.

address   where it is and which headers it wants       wire    one request over HTTP
body      what is sent                                  answers what came back
teacher   the backend                                   client  the `openai` package, for what is not hot
"""

from synthkd.teachers.openai.teacher import OpenAITeacher

__all__ = ["OpenAITeacher"]
