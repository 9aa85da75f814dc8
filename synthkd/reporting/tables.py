"""Tables as plain text, Markdown and HTML; the text of cells is escaped here.

A table is a sequence of rows of equal length. The first row is the header.
"""

from __future__ import annotations

from collections.abc import Sequence

from synthkd.reporting.safe_text import clean, html_text, markdown

Rows = Sequence[Sequence[object]]


def text_table(rows: Rows, left: int = 1) -> str:
    """Return a table for a terminal, in aligned columns.

    Args:
        rows: The header and the rows; a table without a header is a sequence of rows alone.
        left: Number of columns aligned to the left; the others are aligned to the right.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def markdown_table(rows: Rows, left: int = 1, bold: int | None = None) -> str:
    """Return a Markdown table.

    Args:
        rows: The header and the rows.
        left: Number of columns aligned to the left; the others are aligned to the right.
        bold: Position of the row whose first cell is bold; the header is row 0.
    """
    head, *body = [[markdown(cell) for cell in row] for row in rows]
    if bold:
        first, *rest = body[bold - 1]
        body[bold - 1] = [f"**{first}**", *rest]
    rule = ["---" if column < left else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def html_table(
    rows: Rows, left: int = 0, bold: int | None = None, caption: str = "", header: bool = True
) -> str:
    """Return an HTML table, for notebooks.

    Args:
        rows: The header and the rows.
        left: Number of columns aligned to the left, which keep blanks at the start of a cell; the
            others have the default alignment.
        bold: Position of the row that is bold; the header is row 0.
        caption: Text above the table.
        header: Whether the first row is a header.
    """
    style = " style='text-align:left;white-space:pre-wrap'"
    lines = []
    for number, row in enumerate(rows):
        tag = "th" if header and number == 0 else "td"
        texts = [f"<b>{html_text(cell)}</b>" if number == bold else html_text(cell) for cell in row]
        lines.append(
            "".join(
                f"<{tag}{style if column < left else ''}>{text}</{tag}>"
                for column, text in enumerate(texts)
            )
        )
    top = f"<caption>{html_text(caption)}</caption>" if caption else ""
    return f"<table>{top}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
