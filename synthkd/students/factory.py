"""Make a student by name and options; record its sources and package versions."""

from __future__ import annotations

import inspect
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError, StudentError, nearest
from synthkd.keys import content_hash, file_hash
from synthkd.options import NoOptions
from synthkd.recipe.published_values import published_path
from synthkd.students.base import Student

#: Packages whose version can change a student.
_PACKAGES = {
    "numpy": "numpy", "sklearn": "scikit-learn", "torch": "torch", "transformers": "transformers",
    "peft": "peft",
}  # fmt: skip


def make_student(name: str, options: Mapping[str, Any], seed: int = 0) -> Student:
    """Make an untrained student.

    Raises:
        StudentError: The name or an option is unknown.
    """
    student_class: Any = plugins.find("students", name)
    if student_class.Options is not NoOptions:
        student_class.checked(
            {key: value for key, value in options.items() if key not in ("classes", "seed")},
            f"student {name!r}",
        )
    known = inspect.signature(student_class).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    for option in options:
        if option not in known and not takes_all:
            names = [one for one in known if one not in ("classes", "seed")]
            raise StudentError(
                f"student {name!r}: unknown option {option!r}{nearest(option, names)}"
            )
    try:
        student: Student = student_class(**{"seed": seed, **options})
    except TypeError as error:
        raise StudentError(f"student {name!r}: {str(error).split('__init__() ')[-1]}") from None
    return student


def source_of(path: Path | None) -> dict[str, Any] | None:
    """Return the hashes of a source of rows; of a corpus also kind and teacher."""
    if path is None:
        return None
    shown = published_path(str(path), Path.cwd())
    if (path / MANIFEST).is_file():
        manifest = load_corpus(path).manifest
        return {
            "path": shown, "corpus_hash": manifest["corpus_hash"],
            "manifest_hash": manifest.get("manifest_hash"), "kind": manifest["kind"]["name"],
            "teacher": manifest["teacher"].get("identity"), "rows": manifest["counts"]["accepted"],
        }  # fmt: skip
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        files = {
            file.relative_to(path).as_posix(): file_hash(file)
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }
        return {"path": shown, "hash": content_hash(files)}
    return {"path": shown, "hash": file_hash(path)}


def package_versions() -> dict[str, str]:
    """Return the versions of Python, synthkd and packages that can change a student."""
    versions = {"python": platform.python_version()}
    for module, package in {"synthkd": "synthkd", **_PACKAGES}.items():
        if module in sys.modules:
            try:
                versions[package] = version(package)
            except PackageNotFoundError:
                continue
    return versions
