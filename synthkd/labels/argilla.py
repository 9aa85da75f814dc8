"""Argilla 2: records as JSON, as ``dataset.records.from_json`` reads and ``to_json`` writes them.

A record's ``id`` is ours; the row's columns travel as metadata. Argilla knows annotators by UUID: for names that came
from here it is made from the name, and the metadata says which is which.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd.labels.candidates import sheet_text
from synthkd.labels.exchange import Answer, Item, read_list
from synthkd.storage.ownership import check_file, has_text
from synthkd.storage.write import write_json

_WHAT = "Argilla's records (dataset.records.to_json)"
#: Metadata that are not columns of the row.
_PEOPLE, _TIMES = "annotators", "times"


def write(items: Sequence[Item], path: Path) -> list[Path]:
    """Write the records. `docs/labelling.md` shows the settings of the dataset that takes them."""
    check_file(path, has_text('"candidate"'), "rows for Argilla")
    write_json(path, [_record(item) for item in items])
    return [path]


def user_id(annotator: str) -> str:
    """The UUID that stands for an annotator's name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"synthkd:annotator:{annotator}"))


def _record(item: Item) -> dict[str, Any]:
    fields = {"candidate": item.text} | ({"source": item.source} if item.source else {})
    metadata: dict[str, Any] = dict(item.row)
    responses: dict[str, list[dict[str, str]]] = {}
    for answer in item.answers:
        by = {"user_id": user_id(answer.annotator), "status": "submitted"}
        responses.setdefault("verdict", []).append({"value": answer.verdict, **by})
        if answer.why:
            responses.setdefault("why", []).append({"value": answer.why, **by})
    if item.answers:
        metadata[_PEOPLE] = [f"{user_id(answer.annotator)}={answer.annotator}" for answer in item.answers]
        metadata[_TIMES] = [f"{user_id(answer.annotator)}={answer.time}" for answer in item.answers]
    return {
        "id": item.id, "fields": fields, "metadata": metadata, "suggestions": {}, "responses": responses, "vectors": {},
    }  # fmt: skip


def items(path: Path) -> list[Item]:
    """The rows of a file that `write` made, or of Argilla's export of them."""
    found = []
    for record in read_list(path, _WHAT):
        metadata, fields = record.get("metadata"), record.get("fields")
        if record.get("id") and isinstance(metadata, dict) and isinstance(fields, dict):
            row = {
                str(key): sheet_text(value) for key, value in metadata.items() if key not in (_PEOPLE, _TIMES)
            }
            found.append(
                Item(str(record["id"]), str(fields.get("candidate", "")), str(fields.get("source", "")), row)
            )
    return found


def answers(path: Path) -> tuple[list[Answer], list[str]]:
    """All responses of an export, and a line for each record without one."""
    found: list[Answer] = []
    problems: list[str] = []
    for number, record in enumerate(read_list(path, _WHAT), 1):
        where = f"{path.name} record {number}"
        if not record.get("id"):
            problems.append(f"{where}: no 'id', so it cannot be joined to a row")
            continue
        responses = record.get("responses") or {}
        if not _well_formed(responses):
            problems.append(f"{where}: id {record['id']!r}: its responses are not of Argilla's form")
            continue
        people, times = _pairs(record, _PEOPLE), _pairs(record, _TIMES)
        whys = {str(why.get("user_id")): str(why.get("value", "")) for why in responses.get("why", [])}
        if not responses.get("verdict"):
            problems.append(f"{where}: id {record['id']!r} has no response to 'verdict'")
        for response in responses.get("verdict", []):
            by = str(response.get("user_id", ""))
            if response.get("status", "submitted") != "submitted":
                problems.append(
                    f"{where}: id {record['id']!r} by {by!r} is {response['status']}, not submitted"
                )
                continue
            why = whys.get(str(response.get("user_id")), "")
            name = str(record["id"])
            found.append(
                Answer(
                    name, str(response.get("value", "")), people.get(by, by), times.get(by, ""), why, where
                )
            )
    return found, problems


def _well_formed(responses: Any) -> bool:
    """An object of lists of objects."""
    return isinstance(responses, dict) and all(
        isinstance(said, list) and all(isinstance(one, dict) for one in said) for said in responses.values()
    )


def _pairs(record: dict[str, Any], name: str) -> dict[str, str]:
    metadata = record.get("metadata")
    said = metadata.get(name) if isinstance(metadata, dict) else None
    if not isinstance(said, list):
        return {}
    return dict(str(entry).split("=", 1) for entry in said if "=" in str(entry))
