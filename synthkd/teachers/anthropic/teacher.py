"""The backend `anthropic`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkd.teachers.anthropic.format import AnthropicFormat
from synthkd.teachers.anthropic.options import AnthropicOptions, with_surcharge
from synthkd.teachers.remote.endpoint import RemoteApi
from synthkd.teachers.remote.teacher import RemoteTeacher

if TYPE_CHECKING:
    from synthkd.recipe import PricePart, TeacherPart

#: The version of the API that these modules are written for.
_VERSION = "2023-06-01"


def _key_headers(key: str, host: str, part: TeacherPart) -> dict[str, str]:
    return {"anthropic-version": _VERSION, **({"x-api-key": key} if key else {})}


ANTHROPIC_API = RemoteApi(
    "anthropic",
    "https://api.anthropic.com/v1",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_API_KEY",
    _key_headers,
    version="/v1",
)


class AnthropicTeacher(RemoteTeacher):
    """Answers from Anthropic's Messages API, over HTTP.

    The key comes from the environment and reaches no log, error or repr.
    """

    name = "anthropic"
    api = ANTHROPIC_API
    Options = AnthropicOptions
    options: AnthropicOptions
    gives_logprobs = False

    def price_of(self, part: TeacherPart) -> PricePart | None:
        return with_surcharge(super().price_of(part), self.options)

    def wire_format(self) -> AnthropicFormat:
        return AnthropicFormat(self.part, self.options)
