"""Settings of a saved judge: model, identity, sampling.

Never an address, a key, a journal or a program.

Server and credentials come from the user who scores. A folder may be a stranger's, so no row is
sent before the user has named the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import Count, Name, PluginName, Settings
from synthkd.critics.files import CriticSettings
from synthkd.critics.judge.client import JudgeClient
from synthkd.errors import CriticError
from synthkd.journal import Journal
from synthkd.keys import content_hash
from synthkd.recipe.published_values import public_name
from synthkd.recipe.teacher import SamplingPart
from synthkd.teachers.base import built_in_backend

_SOME = Annotated[float, Field(ge=-100, le=100)]


class JudgeSampling(Settings):
    """Sampling parameters that a folder may hold.

    Others (`extra_body`, a grammar …) are given again by the user.
    """

    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    stop: Annotated[list[Name], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    presence_penalty: _SOME | None = None
    frequency_penalty: _SOME | None = None
    logprobs: bool | None = None
    reasoning_effort: Annotated[str, Field(pattern="^[a-z]{1,20}$")] | None = None


class JudgeSettings(CriticSettings):
    """`critic.json` of a judge; ``other`` is a hash of sampling parameters outside the file."""

    backend: PluginName
    model: Name | None
    identity: Name
    chat: bool | None
    sampling: JudgeSampling
    other: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None
    template: Name
    template_hash: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    form: PluginName
    samples: Annotated[int, Field(ge=1, le=1000)]
    calibration: Literal["auto", "platt", "isotonic"]
    left_out: Count

    def unnamed(self) -> str:
        """Return the message for a judge without a server."""
        how = (
            "name the server by --base-url URL (and --api-key-env NAME), the option `teacher`"
            if _is_remote(self.backend)
            else f"give its backend ({self.backend}) and model by the option `teacher`"
        )
        return (
            f"this critic asks the model {self.model!r}, and its folder does not name the server:"
            f" {how}, or `critic.options.teacher` in a recipe"
        )


def _is_remote(backend: str) -> bool:
    """Return True for a backend of synthkd that only calls a server.

    The folder of a saved judge may name such a backend for the user.
    """
    return built_in_backend(backend).is_remote


def saved_sampling(part: SamplingPart) -> tuple[dict[str, Any], str | None]:
    """Split sampling parameters into those that a folder may hold, and a hash of the others."""
    parameters = part.model_dump(exclude={"n"}, exclude_unset=True)
    saved = {
        name: value for name, value in parameters.items() if name in JudgeSampling.model_fields
    }
    other = {name: value for name, value in parameters.items() if name not in saved and value}
    return saved, content_hash(other) if other else None


def public_identity(client: JudgeClient) -> str:
    """Return the identity of the model without the address of a server or the path of a model."""
    part = client.recipe.teacher
    if part.identity is not None:
        return part.identity
    served = client.teacher.served_identity(part.model)
    if served is not None:
        return served
    identity = client.identity
    return identity.replace(part.model, public_name(part.model)) if part.model else identity


def client_for_saved_judge(
    settings: JudgeSettings,
    path: Path,
    teacher: Mapping[str, Any],
    journal: str | Path | Journal,
    chat: bool,
    limits: Mapping[str, Any],
    folder: str | Path,
) -> JudgeClient:
    """Make the client of a loaded judge from the user's teacher part.

    Raises:
        CriticError: The user's part names no server, another model or other sampling.
    """
    if not isinstance(teacher, Mapping):
        raise CriticError(
            "the option `teacher` is a teacher part: a mapping such as base_url: URL, not"
            f" {teacher!r}"
        )
    backend = str(teacher.get("backend") or settings.backend)
    if "backend" not in teacher and not (teacher.get("base_url") and _is_remote(backend)):
        raise CriticError(settings.unnamed())
    if not _is_remote(backend) and settings.model is not None and not teacher.get("model"):
        raise CriticError(
            f"this critic asks the model {settings.model!r} of the backend {backend!r}: name the"
            " model in the option `teacher` too, as a folder or hub name of your own"
        )
    part = {"model": settings.model, **teacher, "backend": backend}
    part["sampling"] = {
        **settings.sampling.model_dump(exclude_unset=True), **dict(teacher.get("sampling") or {}),
    }  # fmt: skip
    if settings.chat is not None:
        part.setdefault("chat", settings.chat)
    named = public_name(str(teacher.get("model") or settings.model))
    if settings.model is not None and named != settings.model and not teacher.get("identity"):
        raise CriticError(
            f"{path.parent}: calibrated on the answers of the model {settings.model!r}, not"
            f" {named!r}; ask that one, or {CRITIC_ARTIFACT.remedy}"
        )
    served = built_in_backend(settings.backend).served_identity(settings.model)
    if settings.identity != served and not settings.identity.startswith(f"{backend}:"):
        part.setdefault("identity", settings.identity)
    client = JudgeClient(
        part,
        journal,
        samples=settings.samples,
        chat=chat,
        limits=limits,
        folder=folder,
        announce=True,
    )
    if (identity := public_identity(client)) != settings.identity:
        raise CriticError(
            f"{path.parent}: calibrated on the answers of {settings.identity}, and {identity} would"
            f" answer now; ask that one, or {CRITIC_ARTIFACT.remedy}"
        )
    sampling, other = saved_sampling(client.recipe.teacher.sampling)
    if (
        JudgeSampling(**sampling).model_dump() != settings.sampling.model_dump()
        or other != settings.other
    ):
        raise CriticError(
            f"{path.parent}: calibrated on answers with other sampling parameters; give"
            " `teacher.sampling` as it was then"
            f" ({settings.sampling.model_dump(exclude_unset=True)}), or {CRITIC_ARTIFACT.remedy}"
        )
    return client
