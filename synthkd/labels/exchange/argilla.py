"""Argilla 2: records as JSON, in the form of ``dataset.records.from_json`` and ``to_json``.

A record's ``id`` is the row's id; the row's columns are its metadata. Argilla identifies annotators
by UUID: for a name from a label sheet, the UUID is derived from the name and the metadata maps it
back.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd.labels.candidates import sheet_text
from synthkd.labels.exchange.base import Annotation, ExchangeFormat, ExportedRow, read_objects
from synthkd.storage import check_file, has_text, write_json

_DESCRIPTION = "Argilla's records (dataset.records.to_json)"
#: Metadata that are no columns of the row.
_ANNOTATORS, _TIMES = "annotators", "times"


class ArgillaFormat(ExchangeFormat):
    """Records of an Argilla dataset. `docs/guides/labelling.md` shows the dataset's settings."""

    def write(self, rows: Sequence[ExportedRow], path: Path) -> list[Path]:
        """Write the records."""
        check_file(path, has_text('"candidate"'), "rows for Argilla")
        write_json(path, [_record(row) for row in rows])
        return [path]

    def read_rows(self, path: Path) -> list[ExportedRow]:
        """Read the rows of a file of `write`, or of Argilla's export of it."""
        rows = []
        for record in read_objects(path, _DESCRIPTION):
            metadata, fields = record.get("metadata"), record.get("fields")
            if record.get("id") and isinstance(metadata, dict) and isinstance(fields, dict):
                columns = {
                    str(key): sheet_text(value)
                    for key, value in metadata.items()
                    if key not in (_ANNOTATORS, _TIMES)
                }
                text, source = str(fields.get("candidate", "")), str(fields.get("source", ""))
                rows.append(ExportedRow(str(record["id"]), text, source, columns))
        return rows

    def read_annotations(self, path: Path) -> tuple[list[Annotation], list[str]]:
        """Read all submitted responses, and a line for each record or response without verdict."""
        annotations: list[Annotation] = []
        problems: list[str] = []
        for number, record in enumerate(read_objects(path, _DESCRIPTION), 1):
            place = f"{path.name} record {number}"
            if not record.get("id"):
                problems.append(f"{place}: no 'id', so it cannot be joined to a row")
                continue
            responses = record.get("responses") or {}
            if not _well_formed(responses):
                problems.append(
                    f"{place}: id {record['id']!r}: its responses are not of Argilla's form"
                )
                continue
            names, times = _metadata_pairs(record, _ANNOTATORS), _metadata_pairs(record, _TIMES)
            whys = {
                str(why.get("user_id")): str(why.get("value", ""))
                for why in responses.get("why", [])
            }
            if not responses.get("verdict"):
                problems.append(f"{place}: id {record['id']!r} has no response to 'verdict'")
            for response in responses.get("verdict", []):
                user = str(response.get("user_id", ""))
                if response.get("status", "submitted") != "submitted":
                    problems.append(
                        f"{place}: id {record['id']!r} by {user!r} is {response['status']}, not"
                        " submitted"
                    )
                    continue
                annotations.append(
                    Annotation(
                        id=str(record["id"]),
                        verdict=str(response.get("value", "")),
                        annotator=names.get(user, user),
                        time=times.get(user, ""),
                        why=whys.get(str(response.get("user_id")), ""),
                        place=place,
                    )
                )
        return annotations, problems


def user_id(annotator: str) -> str:
    """Return the UUID that stands for an annotator's name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"synthkd:annotator:{annotator}"))


def _record(row: ExportedRow) -> dict[str, Any]:
    fields = {"candidate": row.text} | ({"source": row.source} if row.source else {})
    metadata: dict[str, Any] = dict(row.columns)
    responses: dict[str, list[dict[str, str]]] = {}
    for annotation in row.annotations:
        response = {"user_id": user_id(annotation.annotator), "status": "submitted"}
        responses.setdefault("verdict", []).append({"value": annotation.verdict, **response})
        if annotation.why:
            responses.setdefault("why", []).append({"value": annotation.why, **response})
    if row.annotations:
        metadata[_ANNOTATORS] = [f"{user_id(a.annotator)}={a.annotator}" for a in row.annotations]
        metadata[_TIMES] = [f"{user_id(a.annotator)}={a.time}" for a in row.annotations]
    return {
        "id": row.id,
        "fields": fields,
        "metadata": metadata,
        "suggestions": {},
        "responses": responses,
        "vectors": {},
    }


def _well_formed(responses: Any) -> bool:
    """Return whether this is an object of lists of objects."""
    return isinstance(responses, dict) and all(
        isinstance(answers, list) and all(isinstance(answer, dict) for answer in answers)
        for answers in responses.values()
    )


def _metadata_pairs(record: dict[str, Any], name: str) -> dict[str, str]:
    """Return a metadata list of KEY=VALUE as a mapping."""
    metadata = record.get("metadata")
    entries = metadata.get(name) if isinstance(metadata, dict) else None
    if not isinstance(entries, list):
        return {}
    return dict(str(entry).split("=", 1) for entry in entries if "=" in str(entry))
