"""The backend `transformers`: a local checkpoint, causal or encoder-decoder.

Modules: `teacher` (the backend), `checkpoint` (where a model is and which version), `loading`,
`sampling` and `seq2seq` (the part that needs torch).
"""

from synthkd.teachers.transformers.checkpoint import EMBEDDED
from synthkd.teachers.transformers.teacher import TransformersTeacher

__all__ = ["EMBEDDED", "TransformersTeacher"]
