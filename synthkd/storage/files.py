"""Write files whole, so that a reader never sees half of one; read checked JSON."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from synthkd.errors import StorageError
from synthkd.storage.marks import MARK
from synthkd.storage.paths import storage_errors, sync, target_of
from synthkd.storage.temporary import NEW, temporary_beside


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path.

    The file that the block writes there replaces ``path`` when the block ends.

    If the block raises, ``path`` stays unchanged. A device or a pipe is written into instead of
    replaced.
    """
    with storage_errors(path):
        target = target_of(path)
        if target.is_dir():
            raise StorageError(f"{path}: a folder; name a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(target) as folder:
            # A mark under its own name would replace that of the temporary folder.
            temporary = folder / (NEW if target.name == MARK else target.name)
            yield temporary
            sync(temporary)
            before = target.stat() if target.exists() else None
            if before is not None and not stat.S_ISREG(before.st_mode):
                with temporary.open("rb") as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
                return
            if before is not None:
                temporary.chmod(stat.S_IMODE(before.st_mode))
            temporary.replace(target)
            with suppress(OSError):  # The folder may be writable but not readable.
                sync(target.parent)


def write_text(path: Path, text: str) -> None:
    """Replace a text file whole.

    Of a symbolic link the target is replaced; permission bits are kept.
    """
    with replaced_file(path) as temporary:
        temporary.write_text(text, "utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file whole. Keys stay in their order."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path, schema: type[BaseModel] | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        schema: A model that the value must fit.

    Returns:
        The value as JSON has it, not the model.

    Raises:
        StorageError: If the file cannot be read, is not JSON, or does not fit the schema.
    """
    with storage_errors(path):
        data = path.read_bytes()
    return parse_json(path, data, schema)


def parse_json(path: Path, data: bytes, schema: type[BaseModel] | None = None) -> Any:
    """Parse the bytes of a JSON file; see `read_json`."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise StorageError(f"{path}: not JSON ({reason}); it was cut or altered") from None
    if schema is not None:
        try:
            schema.model_validate(value, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            problem = f"{field}: {first['msg']}" if field else first["msg"]
            raise StorageError(
                f"{path}: not what synthkd writes there ({problem}); it was altered"
            ) from None
    return value
