"""References to frozen encoders: named by content, found again after a move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from synthkd.artifacts.folder import ENCODER, Artifact
from synthkd.artifacts.settings import Settings, Sha256
from synthkd.storage import place_of

#: Folders above the artefact's that are searched: folds of a stack's members are nested.
_ABOVE = 3


class EncoderReference(Settings):
    """A reference to a frozen encoder, without an absolute path.

    Attributes:
        name: The name of the encoder's folder, or its name on the hub.
        path: The relative path from the artefact's folder, unless it leads through the root or
            above the home folder.
        hub: The name is one of the hub.
        sha256: The hash of weights and tokenizer.
    """

    name: Annotated[str, Field(pattern=r"^[^\\:\x00]{1,200}$")]
    path: Annotated[str, Field(pattern=r"^[^/\\:\x00][^\\:\x00]{0,999}$")] | None = None
    hub: bool = False
    sha256: Sha256

    @classmethod
    def of(cls, given: str, sha256: str, folder: Path) -> EncoderReference:
        """Refer to an encoder, given as a folder or hub name, from an artefact in `folder`."""
        place = Path(given).expanduser()
        if not place.is_dir():
            return cls(name=given, hub=True, sha256=sha256)
        return cls(name=place.resolve().name, path=_between(folder, place), sha256=sha256)

    def candidates(self, folder: Path, given: str | None, artifact: Artifact) -> Iterator[str]:
        """Yield the places where the encoder may be, for the caller to compare by hash.

        These are the user's own (`given`) alone, or else the artefact's folder, the folders above
        it, the recorded path, and the hub's cache.

        Raises:
            UserError: The artefact's error, after the last place: none had the encoder of the
                training.
        """
        if given is not None:
            yield resolve_encoder_path(given)
            raise artifact.error(
                f"{folder}: the encoder {given!r} is another one than at training; name the right"
                " one by the option"
                f" `encoder` (--encoder FOLDER), or {artifact.remedy}"
            )
        tried = [folder / ENCODER]
        if not self.hub and "/" not in self.name:
            above = [folder, *folder.resolve().parents][: _ABOVE + 1]
            tried += [place / self.name for place in above]
        if self.path is not None:
            tried.append(folder / self.path)
        there = list(
            dict.fromkeys(str(place) for place in tried if (place / "config.json").is_file())
        )
        yield from there
        if self.hub:
            yield self.name
        what = "is another one now than at training" if there else "is not found"
        raise artifact.error(
            f"{folder}: the encoder {self.name!r} {what}; name it by the option `encoder`"
            " (--encoder FOLDER), put it beside"
            f" {folder.name}, or {artifact.remedy}"
        )


def resolve_encoder_path(given: str) -> str:
    """Return the absolute path of an encoder's folder, or a hub name unchanged."""
    place = Path(given).expanduser()
    return str(place.resolve()) if place.is_dir() else given


def _between(folder: Path, place: Path) -> str | None:
    """Return the relative path; None if it leads through the root or above the home."""
    here, there = place_of(folder.resolve()), place.resolve()
    try:
        common = Path(os.path.commonpath([here, there]))
    except ValueError:  # on two drives
        return None
    home = Path.home().resolve()
    if common == Path(common.anchor) or common in home.parents:
        return None
    return Path(os.path.relpath(there, here)).as_posix()
