"""The backend `pool`: real labelled rows in the place of a language model.

Modules: `teacher` (the backend), `request` (the JSON that it reads), `selection` (which rows come
first).
"""

from synthkd.teachers.pool.teacher import PoolTeacher

__all__ = ["PoolTeacher"]
