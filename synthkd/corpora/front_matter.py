"""The YAML head of a dataset card, as the Hugging Face hub and `datasets` read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import yaml

from synthkd.corpora.layout import FileSet, shown_sets
from synthkd.reporting.safe_text import clean

#: Upper bounds of the hub's classes of sizes, and their names.
_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"),
)  # fmt: skip
#: Licences that the hub knows by these names; any other is `other` with a name of its own.
_LICENSES = frozenset((
    "apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-3.0", "cc-by-2.0", "cc-by-sa-4.0",
    "cc-by-sa-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0",
    "odc-by", "odbl", "pddl", "gpl-3.0", "gpl-2.0", "agpl-3.0", "lgpl-3.0", "bsd-2-clause",
    "bsd-3-clause", "mpl-2.0", "openrail", "openrail++", "cdla-permissive-2.0",
    "cdla-sharing-1.0", "unlicense", "wtfpl", "isc", "gfdl",
))  # fmt: skip


def front_matter(manifest: dict[str, Any], sets: Sequence[FileSet]) -> dict[str, Any]:
    """Return the fields of a card's head.

    Args:
        manifest: The manifest of the corpus.
        sets: The parts of the corpus, those that readers see first in front.
    """
    part = manifest["recipe"]["corpus"]
    card = part.get("card") or {}
    shown = shown_sets(sets)
    head: dict[str, Any] = {"pretty_name": clean(part.get("title") or manifest["recipe"]["name"])}
    if languages := corpus_languages(manifest):
        head["language"] = languages
    head |= license_fields(part.get("license"))
    kind = manifest["kind"]
    head["task_categories"] = card.get("task_categories") or kind.get(
        "task_categories", ["text-generation"]
    )
    head["size_categories"] = [size_category(sets[0].rows)]
    head["annotations_creators"] = head["language_creators"] = ["machine-generated"]
    tags = ["synthkd", "synthetic", "knowledge-distillation", kind["name"], *card.get("tags", ())]
    head["tags"] = list(dict.fromkeys(map(clean, tags)))
    head["configs"] = [_config(one, manifest, one is shown[0]) for one in shown]
    head["dataset_info"] = [_info(one) for one in shown]
    return head


def front_matter_text(head: dict[str, Any]) -> str:
    """Return the head as YAML between two lines of dashes."""
    return f"---\n{_yaml(head)}---"


def _yaml(value: dict[str, Any]) -> str:
    class _Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def corpus_languages(manifest: dict[str, Any]) -> list[str]:
    """Return the languages of the rows: those of the recipe, or that of a shipped template."""
    named = manifest["recipe"]["corpus"].get("language")
    if named:
        return [clean(one) for one in named]
    return ["en"] if (manifest.get("prompt") or {}).get("shipped") else []


def license_fields(name: str | None) -> dict[str, str]:
    """Return the fields of a licence; those that the hub does not know have a name of their own."""
    if not name:
        return {}
    plain = clean(name)
    if plain.lower() in _LICENSES:
        return {"license": plain.lower()}
    return {"license": "other", "license_name": plain}


def size_category(rows: int) -> str:
    """Return the hub's name for a number of rows."""
    return next((name for bound, name in _SIZES if rows < bound), "n>1T")


def _config(one: FileSet, manifest: dict[str, Any], is_default: bool) -> dict[str, Any]:
    config: dict[str, Any] = {
        "config_name": one.config,
        # `datasets` caches by folder name and head, which must change with the rows.
        "description": f"corpus {manifest['corpus_hash']}",
        "data_files": [{"split": "train", "path": one.pattern}],
    }
    return config | ({"default": True} if is_default else {})


def _info(one: FileSet) -> dict[str, Any]:
    return {
        "config_name": one.config,
        "features": [{"name": field.name, "dtype": _dtype(field.type)} for field in one.schema],
        "splits": [{"name": "train", "num_bytes": one.size, "num_examples": one.rows}],
        "download_size": one.stored,
        "dataset_size": one.size,
    }


def _dtype(kind: pa.DataType) -> str:
    """Return a type as `datasets` names it."""
    names = {pa.float64(): "float64", pa.float32(): "float32", pa.bool_(): "bool"}
    return names.get(kind) or str(kind)
