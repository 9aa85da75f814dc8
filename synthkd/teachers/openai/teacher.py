"""The backend `openai`."""

from __future__ import annotations

from synthkd.errors import StalledError, nearest
from synthkd.teachers.openai.request_body import OpenAIFormat, top_logprobs
from synthkd.teachers.remote.endpoint import OPENAI_API, Endpoint
from synthkd.teachers.remote.teacher import RemoteTeacher


class OpenAITeacher(RemoteTeacher):
    """Answers from any server of the OpenAI protocol, over HTTP.

    The key comes from the environment and reaches no log, error or repr.
    """

    name = "openai"
    api = OPENAI_API

    def wire_format(self) -> OpenAIFormat:
        return OpenAIFormat(self.part)

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        return top_logprobs(chat)

    async def hint(self, endpoint: Endpoint, error: StalledError) -> str:
        """Return a hint at the models that a server has, if it does not have the recipe's."""
        from synthkd.teachers.openai.client import served_models

        if "http_404" not in str(error):
            return ""
        models = await served_models(self.part, endpoint)
        if not models or self.part.model in models:
            return ""
        near = nearest(str(self.part.model), models)
        return f"teacher.model: {self.part.model!r} is not served at {endpoint.public}{near}"
