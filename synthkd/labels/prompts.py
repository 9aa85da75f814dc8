"""What the teacher read when it wrote a candidate: from the journal that lies by a corpus or a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthkd.errors import StorageError
from synthkd.journal import Journal
from synthkd.storage.write import read_json


def _journal_name(manifest: Any) -> str | None:
    recipe = manifest.get("recipe") if isinstance(manifest, dict) else None
    named = recipe.get("journal") if isinstance(recipe, dict) else None
    return Path(named).name if isinstance(named, str) else None


def prompt_reader(path: Path) -> Callable[[dict[str, Any]], str | None]:
    """A function from a row to its prompt; to ``None`` where no journal near ``path`` has it."""
    name = "journal.sqlite"
    if (path / "manifest.json").is_file():
        name = _journal_name(read_json(path / "manifest.json")) or name
    here = path.resolve()
    journals = [folder / name for folder in [here, *here.parents][:4] if (folder / name).is_file()]

    def prompt(row: dict[str, Any]) -> str | None:
        request = str(row.get("completion_key") or "").rpartition("-")[0]
        for file in journals if request else []:
            try:
                with Journal(file, read_only=True) as journal:
                    sent = journal.request(request)
            except StorageError:
                continue
            if sent:
                return "\n".join(f"{m['role']}: {m['content']}" for m in sent["messages"])
        return None

    return prompt
