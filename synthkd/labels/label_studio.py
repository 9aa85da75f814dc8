"""Label Studio: tasks with a labelling configuration, and its JSON export.

A task's ``data`` is kept by Label Studio as it is, so our id and the row's columns travel there. An annotation is a
list of results: ``choices`` from the control `verdict`, ``textarea`` from the control `why`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from synthkd.labels.candidates import sheet_text
from synthkd.labels.exchange import Answer, Item, read_list
from synthkd.labels.verdicts import VERDICTS
from synthkd.storage.ownership import check_file, has_text
from synthkd.storage.write import write_json, write_text

_WHAT = "a list of Label Studio tasks (export as JSON, not JSON-MIN)"
#: In a result's ``meta``: who answered, where the answer did not come from Label Studio's own users.
_BY = "annotator"


def write(items: Sequence[Item], path: Path) -> list[Path]:
    """Write the tasks, and beside them the labelling configuration as ``NAME.xml``."""
    config = path.with_suffix(".xml")
    check_file(path, has_text('"candidate"'), "rows for Label Studio")
    check_file(config, has_text('name="candidate"'), "a labelling configuration for Label Studio")
    write_json(path, [_task(item) for item in items])
    write_text(config, configuration(any(item.source for item in items)))
    return [path, config]


def configuration(source: bool) -> str:
    """The labelling interface: the candidate, its source where there is one, a verdict, and a reason."""
    choices = "\n".join(
        f'    <Choice value={quoteattr(verdict)} hotkey="{verdict[0]}"/>' for verdict in VERDICTS
    )
    shown = '  <Text name="source" value="$source"/>\n' if source else ""
    return (
        f'<View>\n{shown}  <Text name="candidate" value="$candidate"/>\n'
        f'  <Choices name="verdict" toName="candidate" choice="single" required="true">\n{choices}\n  </Choices>\n'
        '  <TextArea name="why" toName="candidate" placeholder="why (may stay empty)" maxSubmissions="1"/>\n</View>\n'
    )


def _task(item: Item) -> dict[str, Any]:
    data: dict[str, Any] = {"id": item.id, "candidate": item.text, "source": item.source, "row": item.row}
    task: dict[str, Any] = {"data": data}
    if item.answers:
        task["annotations"] = [_annotation(answer) for answer in item.answers]
    return task


def _annotation(answer: Answer) -> dict[str, Any]:
    common = {"to_name": "candidate", "meta": {_BY: answer.annotator}}
    result = [
        {"from_name": "verdict", "type": "choices", "value": {"choices": [answer.verdict]}, **common},
    ]
    if answer.why:
        result.append({"from_name": "why", "type": "textarea", "value": {"text": [answer.why]}, **common})
    return {"result": result} | ({"created_at": answer.time} if answer.time else {})


def items(path: Path) -> list[Item]:
    """The rows of a file that `write` made, or of Label Studio's export of them."""
    found = []
    for task in read_list(path, _WHAT):
        data = task.get("data")
        if isinstance(data, dict) and data.get("id") and isinstance(data.get("row"), dict):
            row = {str(key): sheet_text(value) for key, value in data["row"].items()}
            found.append(
                Item(str(data["id"]), str(data.get("candidate", "")), str(data.get("source", "")), row)
            )
    return found


def answers(path: Path) -> tuple[list[Answer], list[str]]:
    """All annotations of an export, and a line for each task or annotation that holds no verdict."""
    found: list[Answer] = []
    problems: list[str] = []
    for number, task in enumerate(read_list(path, _WHAT), 1):
        where = f"{path.name} task {task.get('id', number)}"
        data = task.get("data")
        if not isinstance(data, dict) or not data.get("id"):
            problems.append(f"{where}: its data has no 'id', so it cannot be joined to a row")
            continue
        annotations = task.get("annotations") or []
        if not isinstance(annotations, list):
            problems.append(f"{where}: id {data['id']!r}: `annotations` is not a list")
            continue
        if not annotations:
            problems.append(f"{where}: id {data['id']!r} was not annotated")
        for annotation in annotations:
            if not _well_formed(annotation):
                problems.append(f"{where}: id {data['id']!r}: an annotation is not of Label Studio's form")
            elif annotation.get("was_cancelled"):
                problems.append(f"{where}: id {data['id']!r} was skipped by {_who(annotation)!r}")
            else:
                found.append(_answer(str(data["id"]), annotation, where))
    return found, problems


def _well_formed(annotation: Any) -> bool:
    """An object whose ``result`` is a list of objects with an object for a ``value``."""
    if not isinstance(annotation, dict):
        return False
    results = annotation.get("result") or []
    return isinstance(results, list) and all(
        isinstance(result, dict)
        and isinstance(result.get("value") or {}, dict)
        and isinstance(result.get("meta") or {}, dict)
        for result in results
    )


def _answer(name: str, annotation: dict[str, Any], where: str) -> Answer:
    # Two choices say nothing: joined, they are no verdict, and the row is named.
    verdict = " and ".join(_values(annotation, "verdict", "choices"))
    why = " ".join(_values(annotation, "why", "text"))
    return Answer(name, verdict, _who(annotation), _time(annotation.get("created_at")), why, where)


def _values(annotation: dict[str, Any], control: str, key: str) -> Iterator[str]:
    for result in annotation.get("result") or []:
        if result.get("from_name") == control:
            value = (result.get("value") or {}).get(key) or []
            yield from map(str, value if isinstance(value, list) else [value])


def _who(annotation: dict[str, Any]) -> str:
    for result in annotation.get("result") or []:
        if _BY in (result.get("meta") or {}):
            return str(result["meta"][_BY])
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        return str(by.get("email") or by.get("username") or by.get("id") or "")
    return "" if by is None else str(by)


def _time(text: Any) -> str:
    """ISO 8601, UTC, to the second; empty where there is none."""
    try:
        time = datetime.fromisoformat(str(text))
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return ""
