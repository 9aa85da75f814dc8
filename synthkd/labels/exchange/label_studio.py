"""Label Studio: tasks with a labelling configuration, and its JSON export.

Label Studio keeps a task's ``data`` unchanged, so the row's id and columns are stored there. An
annotation is a list of results: ``choices`` of the control `verdict`, ``textarea`` of the control
`why`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from synthkd.labels.candidates import sheet_text
from synthkd.labels.exchange.base import Annotation, ExchangeFormat, ExportedRow, read_objects
from synthkd.labels.verdicts import VERDICTS
from synthkd.storage import check_file, has_text, write_json, write_text

_DESCRIPTION = "a list of Label Studio tasks (export as JSON, not JSON-MIN)"
#: Key of a result's ``meta`` that names an annotator who is no user of Label Studio.
_ANNOTATOR = "annotator"


class LabelStudioFormat(ExchangeFormat):
    """Tasks of a Label Studio project."""

    def write(self, rows: Sequence[ExportedRow], path: Path) -> list[Path]:
        """Write the tasks, and the labelling configuration beside them as ``NAME.xml``."""
        config = path.with_suffix(".xml")
        check_file(path, has_text('"candidate"'), "rows for Label Studio")
        check_file(
            config, has_text('name="candidate"'), "a labelling configuration for Label Studio"
        )
        write_json(path, [_task(row) for row in rows])
        write_text(config, _configuration(any(row.source for row in rows)))
        return [path, config]

    def read_rows(self, path: Path) -> list[ExportedRow]:
        """Read the rows of a file of `write`, or of Label Studio's export of it."""
        rows = []
        for task in read_objects(path, _DESCRIPTION):
            data = task.get("data")
            if isinstance(data, dict) and data.get("id") and isinstance(data.get("row"), dict):
                columns = {str(key): sheet_text(value) for key, value in data["row"].items()}
                text, source = str(data.get("candidate", "")), str(data.get("source", ""))
                rows.append(ExportedRow(str(data["id"]), text, source, columns))
        return rows

    def read_annotations(self, path: Path) -> tuple[list[Annotation], list[str]]:
        """Read all annotations, and a line for each task or annotation without a verdict."""
        annotations: list[Annotation] = []
        problems: list[str] = []
        for number, task in enumerate(read_objects(path, _DESCRIPTION), 1):
            place = f"{path.name} task {task.get('id', number)}"
            data = task.get("data")
            if not isinstance(data, dict) or not data.get("id"):
                problems.append(f"{place}: its data has no 'id', so it cannot be joined to a row")
                continue
            row = f"{place}: id {data['id']!r}"
            entries = task.get("annotations") or []
            if not isinstance(entries, list):
                problems.append(f"{row}: `annotations` is not a list")
                continue
            if not entries:
                problems.append(f"{row} was not annotated")
            for entry in entries:
                if not _well_formed(entry):
                    problems.append(f"{row}: an annotation is not of Label Studio's form")
                elif entry.get("was_cancelled"):
                    problems.append(f"{row} was skipped by {_annotator(entry)!r}")
                else:
                    annotations.append(_read_annotation(str(data["id"]), entry, place))
        return annotations, problems


def _configuration(source: bool) -> str:
    """Return the labelling interface: the candidate, its source if any, a verdict and a reason."""
    choices = "\n".join(
        f'    <Choice value={quoteattr(verdict)} hotkey="{verdict[0]}"/>' for verdict in VERDICTS
    )
    text = '  <Text name="source" value="$source"/>\n' if source else ""
    return (
        f'<View>\n{text}  <Text name="candidate" value="$candidate"/>\n'
        '  <Choices name="verdict" toName="candidate" choice="single"'
        f' required="true">\n{choices}\n'
        "  </Choices>\n"
        '  <TextArea name="why" toName="candidate" placeholder="why (may stay empty)"'
        ' maxSubmissions="1"/>\n</View>\n'
    )


def _task(row: ExportedRow) -> dict[str, Any]:
    data = {"id": row.id, "candidate": row.text, "source": row.source, "row": row.columns}
    task: dict[str, Any] = {"data": data}
    if row.annotations:
        task["annotations"] = [_annotation(annotation) for annotation in row.annotations]
    return task


def _annotation(annotation: Annotation) -> dict[str, Any]:
    common = {"to_name": "candidate", "meta": {_ANNOTATOR: annotation.annotator}}
    choice = {"choices": [annotation.verdict]}
    result = [{"from_name": "verdict", "type": "choices", "value": choice, **common}]
    if annotation.why:
        text = {"text": [annotation.why]}
        result.append({"from_name": "why", "type": "textarea", "value": text, **common})
    return {"result": result} | ({"created_at": annotation.time} if annotation.time else {})


def _well_formed(annotation: Any) -> bool:
    """Return whether ``result`` is a list of objects whose ``value`` and ``meta`` are objects."""
    if not isinstance(annotation, dict):
        return False
    results = annotation.get("result") or []
    return isinstance(results, list) and all(
        isinstance(result, dict)
        and isinstance(result.get("value") or {}, dict)
        and isinstance(result.get("meta") or {}, dict)
        for result in results
    )


def _read_annotation(name: str, annotation: dict[str, Any], place: str) -> Annotation:
    return Annotation(
        id=name,
        # Two choices joined are no verdict, so the row becomes a problem.
        verdict=" and ".join(_values(annotation, "verdict", "choices")),
        annotator=_annotator(annotation),
        time=_time(annotation.get("created_at")),
        why=" ".join(_values(annotation, "why", "text")),
        place=place,
    )


def _values(annotation: dict[str, Any], control: str, key: str) -> Iterator[str]:
    for result in annotation.get("result") or []:
        if result.get("from_name") == control:
            value = (result.get("value") or {}).get(key) or []
            yield from map(str, value if isinstance(value, list) else [value])


def _annotator(annotation: dict[str, Any]) -> str:
    for result in annotation.get("result") or []:
        if _ANNOTATOR in (result.get("meta") or {}):
            return str(result["meta"][_ANNOTATOR])
    user = annotation.get("completed_by")
    if isinstance(user, dict):
        return str(user.get("email") or user.get("username") or user.get("id") or "")
    return "" if user is None else str(user)


def _time(text: Any) -> str:
    """Return ISO 8601 in UTC to the second; "" for no time."""
    try:
        time = datetime.fromisoformat(str(text))
        return (
            time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        )
    except (ValueError, OverflowError):
        return ""
