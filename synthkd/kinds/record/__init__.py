"""The kind `record`: rows of any shape, described by a recipe alone.

`columns` reads the descriptions of columns, `reading` the answers, and `kind` is the kind.
"""

from synthkd.kinds.record.columns import ColumnType
from synthkd.kinds.record.kind import RecordKind

__all__ = ["ColumnType", "RecordKind"]
