"""Load the source of templates from one folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import BaseLoader, Environment, TemplateNotFound
from jinja2.loaders import split_template_path

from synthkd.prompts.limits import LONGEST_FILE, LimitError


class FolderLoader(BaseLoader):
    """Templates of one folder by their paths in it.

    Nothing outside the folder, not through a link either.

    Args:
        folder: The folder.
        follow: Whether links may lead out, as they do if an installer links a package's files.
    """

    def __init__(self, folder: Path, follow: bool = False) -> None:
        self.folder, self.follow = folder, follow

    def path(self, name: str) -> Path:
        """Return the file of a template.

        Raises TemplateNotFound if there is none inside the folder.
        """
        if name.startswith("/") or "\\" in name or "\0" in name:
            raise TemplateNotFound(name, f"{name!r} is not a path inside {self.folder}")
        try:
            path = self.folder.joinpath(*split_template_path(name))
        except TemplateNotFound:
            raise TemplateNotFound(name, f"{name!r} leads out of {self.folder}") from None
        try:
            if not path.is_file():
                raise TemplateNotFound(name, f"no file {name!r} in {self.folder} to include")
            if not self.follow and not path.resolve().is_relative_to(self.folder.resolve()):
                raise TemplateNotFound(name, f"{name!r} leads out of {self.folder}")
        except (OSError, RuntimeError) as error:
            raise TemplateNotFound(name, f"{name!r} cannot be read: {error}") from None
        return path

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """Read a template for jinja."""
        path = self.path(template)
        return read_source(path), str(path), lambda: True


def read_source(path: Path) -> str:
    """Read the file of a template.

    Raises LimitError if it is too large or not UTF-8, and OSError.
    """
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE + 1)
    if len(data) > LONGEST_FILE:
        raise LimitError(f"{path} has more than {LONGEST_FILE:,} bytes, too many for a template")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LimitError(
            f"{path} line {line}: not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from None
