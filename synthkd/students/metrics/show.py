"""An evaluation as a table, in text and in HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkd.reporting.safe_text import clean, html_lines, html_text

if TYPE_CHECKING:
    from synthkd.students.metrics.evaluation import Evaluation

#: Classes and confusions that a table shows; it says how many more there are.
SHOWN_CLASSES = 20
SHOWN_CONFUSIONS = 8

Lines = list[list[str]]


def as_text(found: Evaluation) -> str:
    """Figures, the weakest classes and the most frequent confusions."""
    parts = [_aligned(_figures(found)), _aligned(_classes(found)), _aligned(_confusions(found)), _left(found)]
    return "\n\n".join(part for part in parts if part)


def as_html(found: Evaluation) -> str:
    """The same tables for a notebook."""
    tables = (_figures(found), _classes(found), _confusions(found))
    note = f"<p>{html_lines(_left(found))}</p>" if _left(found) else ""
    return "".join(_table(lines) for lines in tables if lines) + note


def _figures(found: Evaluation) -> Lines:
    def line(name: str, value: float) -> list[str]:
        ends = found.intervals.get(name)
        return [name, f"{value:.3f}", f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""]

    return [
        ["", "value", "95 % interval" if found.intervals else ""],
        ["rows", f"{found.rows:,}", ""],
        line("accuracy", found.accuracy),
        line("macro_f1", found.macro_f1),
        ["loss (nats)", f"{found.loss:.3f}", ""],
        ["ece", f"{found.ece:.3f}", ""],
    ]


def _classes(found: Evaluation) -> Lines:
    ranked = sorted((one for one in found.per_class if one.f1 is not None), key=lambda one: one.f1 or 0.0)
    head = ["class" if len(ranked) <= SHOWN_CLASSES else "class (weakest first)"]
    return [
        [*head, "rows", "precision", "recall", "f1", "loss"],
        *(
            [one.label, f"{one.rows:,}", *(f"{value or 0:.3f}" for value in (one.precision, one.recall, one.f1, one.loss))]
            for one in ranked[:SHOWN_CLASSES]
        ),
    ]  # fmt: skip


def _confusions(found: Evaluation) -> Lines:
    shown = found.confusions[:SHOWN_CONFUSIONS]
    if not shown:
        return []
    return [["truth", "taken for", "rows"], *([one.truth, one.predicted, f"{one.rows:,}"] for one in shown)]


def _left(found: Evaluation) -> str:
    """What the tables do not show."""
    said = []
    if (more := len(found.per_class) - len(found.missing) - SHOWN_CLASSES) > 0:
        said.append(f"{more:,} stronger classes are not shown")
    if (more := len(found.confusions) - SHOWN_CONFUSIONS) > 0:
        said.append(f"{more:,} rarer confusions are not shown")
    if found.missing:
        names = ", ".join(map(clean, found.missing[:5])) + (", ..." if len(found.missing) > 5 else "")
        said.append(f"{len(found.missing):,} classes have no row here and are left out of macro-F1: {names}")
    return "\n".join(said)


def _aligned(lines: Lines) -> str:
    if not lines:
        return ""
    lines = [[clean(cell) for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line)).rstrip()
        for line in lines
    )  # fmt: skip


def _table(lines: Lines) -> str:
    head = "".join(f"<th>{html_text(cell)}</th>" for cell in lines[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html_text(cell)}</td>" for cell in line) + "</tr>" for line in lines[1:]
    )
    return f"<table><tr>{head}</tr>{body}</table>"
