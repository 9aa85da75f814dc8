"""The backend `gemini`: `generateContent` of the Gemini API.

module    subject
--------  ---------------------------------------------------------------
`teacher` the backend
`format`  requests and answers of the API
"""

from synthkd.teachers.gemini.teacher import GeminiTeacher

__all__ = ["GeminiTeacher"]
