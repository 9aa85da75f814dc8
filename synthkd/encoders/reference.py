"""A frozen encoder that an artefact was trained on: named by its content, not copied, and found again after a move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from synthkd.artifacts.folder import ENCODER, Artifact
from synthkd.artifacts.settings import Settings, Sha256
from synthkd.storage import place_of

#: Folders above the artefact's in which an encoder of that name is looked for: it may be a fold of a member of a stack.
_ABOVE = 3


class EncoderReference(Settings):
    """Name of an encoder in an artefact's folder, without an absolute path: nothing of the machine is published.

    ``name`` of the folder, or on the hub (``hub``); ``path`` from the artefact's folder to it, unless that would lead
    through the root or above the home folder.
    """

    name: Annotated[str, Field(pattern=r"^[^\\:\x00]{1,200}$")]
    path: Annotated[str, Field(pattern=r"^[^/\\:\x00][^\\:\x00]{0,999}$")] | None = None
    hub: bool = False
    sha256: Sha256

    @classmethod
    def of(cls, given: str, sha256: str, folder: Path) -> EncoderReference:
        """Name an encoder that was given as a folder or hub name, for an artefact that is written to ``folder``."""
        place = Path(given).expanduser()
        if not place.is_dir():
            return cls(name=given, hub=True, sha256=sha256)
        return cls(name=place.resolve().name, path=_between(folder, place), sha256=sha256)

    def candidates(self, folder: Path, given: str | None, artifact: Artifact) -> Iterator[str]:
        """Where it may be: where the user says, in the artefact's folder, beside it, or along its relative path.

        Raises the artefact's error at the end: what was tried was not the encoder of the training.
        """
        if given is not None:
            yield resolve_encoder_path(given)
            raise artifact.error(
                f"{folder}: the encoder {given!r} is another one than at training; name the right one by the option"
                f" `encoder` (--encoder FOLDER), or {artifact.remedy}"
            )
        tried = [folder / ENCODER]
        if not self.hub and "/" not in self.name:
            above = [folder, *folder.resolve().parents][: _ABOVE + 1]
            tried += [place / self.name for place in above]
        if self.path is not None:
            tried.append(folder / self.path)
        there = list(dict.fromkeys(str(place) for place in tried if (place / "config.json").is_file()))
        yield from there
        if self.hub:
            yield self.name
        what = "is another one now than at training" if there else "is not found"
        raise artifact.error(
            f"{folder}: the encoder {self.name!r} {what}; name it by the option `encoder` (--encoder FOLDER), put it beside"
            f" {folder.name}, or {artifact.remedy}"
        )


def resolve_encoder_path(given: str) -> str:
    """The absolute path of an encoder's folder, so that the working folder may change; a hub name as it is."""
    place = Path(given).expanduser()
    return str(place.resolve()) if place.is_dir() else given


def _between(folder: Path, place: Path) -> str | None:
    """The relative path from a folder to a place; None if it would name what lies above the project or the home folder."""
    here, there = place_of(folder.resolve()), place.resolve()
    try:
        common = Path(os.path.commonpath([here, there]))
    except ValueError:  # on two drives
        return None
    home = Path.home().resolve()
    if common == Path(common.anchor) or common in home.parents:
        return None
    return Path(os.path.relpath(there, here)).as_posix()
