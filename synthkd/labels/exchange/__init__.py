"""Label rows in Label Studio or Argilla: export rows, import annotations, joined by id."""

from synthkd.labels.exchange.base import Annotation, ExchangeFormat, ExportedRow
from synthkd.labels.exchange.rows import (
    add_annotations,
    drawn_rows,
    format_named,
    sheet_columns,
    sheet_rows,
)

__all__ = [
    "Annotation",
    "ExchangeFormat",
    "ExportedRow",
    "add_annotations",
    "drawn_rows",
    "format_named",
    "sheet_columns",
    "sheet_rows",
]
