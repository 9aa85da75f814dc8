"""Make a student by name and options; record its sources and package versions."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError
from synthkd.keys import content_hash, file_hash
from synthkd.recipe.published_values import published_path
from synthkd.students.base import Student

#: Packages whose version can change a student.
_PACKAGES = {
    "numpy": "numpy", "sklearn": "scikit-learn", "torch": "torch", "transformers": "transformers",
    "peft": "peft",
}  # fmt: skip


def make_student(name: str, options: Mapping[str, Any], seed: int = 0) -> Student:
    """Make an untrained student.

    Args:
        name: The student.
        options: Its options, and arguments of its constructor.
        seed: Used unless the options have one.

    Raises:
        StudentError: There is no such student, or an option is unknown or does not fit.
    """
    student_class: type[Student] = plugins.find("students", name)
    student_class.check_options(options, f"student {name!r}")
    return student_class(**{"seed": seed, **options})


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
