"""Croissant metadata of a corpus: `croissant.json`, which data set search and loaders read.

The vocabulary is Croissant 1.1 (http://mlcommons.org/croissant/1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from synthkd.corpora.columns import column_meanings
from synthkd.corpora.front_matter import corpus_languages, front_matter
from synthkd.corpora.layout import FileSet, shown_sets

CROISSANT = "croissant.json"
VERSION = "http://mlcommons.org/croissant/1.1"
#: The context of Croissant 1.1, as its specification prints it.
_CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "name": {"@container": "@language"},
    "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
_PARQUET = "application/x-parquet"
#: Licences by their names on the hub, where their SPDX names differ in more than their letters.
_SPDX = {"apache-2.0": "Apache-2.0", "mit": "MIT", "isc": "ISC", "odbl": "ODbL-1.0"}


def croissant(manifest: dict[str, Any], sets: Sequence[FileSet]) -> dict[str, Any]:
    """Return the metadata as JSON-LD; the description of files, columns and their joins.

    Args:
        manifest: The manifest of the corpus.
        sets: The parts of the corpus, with the hashes of their files.
    """
    head = front_matter(manifest, sets)
    part = manifest["recipe"]["corpus"]
    card = part.get("card") or {}
    shown = shown_sets(sets)
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": manifest["recipe"]["name"],
        "description": card.get("summary") or plain_summary(manifest),
        "version": "1.0.0",
        "identifier": manifest["corpus_hash"],
        "keywords": head["tags"],
        "isLiveDataset": False,
    }
    if languages := corpus_languages(manifest):
        described["inLanguage"] = languages
    if part.get("license"):
        name = str(part["license"])
        described["license"] = _SPDX.get(name.lower(), name.upper() if "-" in name else name)
    if card.get("citation"):
        described["citeAs"] = card["citation"]
    if card.get("limits"):
        described["rai:dataLimitations"] = card["limits"]
    if card.get("intended_use"):
        described["rai:dataUseCases"] = card["intended_use"]
    described["rai:dataCollection"] = plain_summary(manifest)
    described["distribution"] = [
        *(_file(name, digest) for one in shown for name, digest in one.hashes.items()),
        *(_file_set(one) for one in shown),
    ]
    meanings = column_meanings(manifest["kind"]["columns"])
    described["recordSet"] = [_record_set(one, shown, meanings) for one in shown]
    return described


def plain_summary(manifest: dict[str, Any]) -> str:
    """Say in a sentence what the rows are and where they come from."""
    counts = manifest["counts"]
    return (
        f"{counts['accepted']:,} candidates of the kind {manifest['kind']['name']}, written by"
        f" {manifest['teacher']['identity']} and filtered by synthkd {manifest['synthkd']};"
        f" {counts['candidates']:,} were parsed."
    )


def _file(name: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name,
        "encodingFormat": _PARQUET, "sha256": digest,
    }  # fmt: skip


def _file_set(one: FileSet) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet", "@id": _id(one), "name": one.config,
        "encodingFormat": _PARQUET, "includes": one.pattern,
    }  # fmt: skip


def _id(one: FileSet) -> str:
    return f"files-{one.config}"


def _record_set(one: FileSet, sets: Sequence[FileSet], meanings: dict[str, str]) -> dict[str, Any]:
    fields = []
    for field in one.schema:
        described: dict[str, Any] = {
            "@type": "cr:Field", "@id": f"{one.config}/{field.name}", "name": field.name,
            "description": meanings.get(field.name, f"column {field.name} of the inputs"),
            "dataType": _type(field.type),
            "source": {"fileSet": {"@id": _id(one)}, "extract": {"column": field.name}},
        }  # fmt: skip
        if one.config == "provenance" and field.name == "id" and sets[0].config == "default":
            described["references"] = {"field": {"@id": "default/id"}}
        fields.append(described)
    record_set: dict[str, Any] = {
        "@type": "cr:RecordSet", "@id": one.config, "name": one.config,
        "description": f"{one.rows:,} rows", "field": fields,
    }  # fmt: skip
    if one.config != "rejected":
        record_set["key"] = {"@id": f"{one.config}/id"}
    return record_set


def _type(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "sc:Float"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Boolean" if pa.types.is_boolean(kind) else "sc:Text"
