"""The backend `gemini`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkd.teachers.gemini.format import MAX_LOGPROBS, GeminiFormat
from synthkd.teachers.remote.endpoint import RemoteApi
from synthkd.teachers.remote.teacher import RemoteTeacher

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart


def _key_headers(key: str, host: str, part: TeacherPart) -> dict[str, str]:
    return {"x-goog-api-key": key} if key else {}


GEMINI_API = RemoteApi(
    "gemini",
    "https://generativelanguage.googleapis.com/v1beta",
    "GOOGLE_GEMINI_BASE_URL",
    "GEMINI_API_KEY",
    _key_headers,
    version="/v1beta",
)


class GeminiTeacher(RemoteTeacher):
    """Answers from the Gemini API's `generateContent`, over HTTP.

    The key comes from the environment and reaches no log, error or repr.
    """

    name = "gemini"
    api = GEMINI_API

    def wire_format(self) -> GeminiFormat:
        return GeminiFormat(self.part)

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return {"top_logprobs": MAX_LOGPROBS}
