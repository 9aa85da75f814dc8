"""Rows of CSV, JSONL, YAML, Parquet and text files, and the text of a cell.

cells          the text of a cell
arrow          values of Arrow columns
class_labels   class names of the `datasets` library
checks         checks and errors that all formats share
formats        CSV, JSONL, YAML, Parquet
corpus_files   files of a corpus, joined with their provenance
documents      text files
read           batches of rows of a file or folder
memory         rows of DataFrames, tables, data sets and iterables
sampling       samples of streams of rows
"""

from synthkd.rows.arrow import arrow_values
from synthkd.rows.cells import (
    CellError,
    UnreadableCell,
    cell_text,
    describe_cell,
    is_empty,
    text_cell,
)
from synthkd.rows.checks import Rows, text_lines
from synthkd.rows.class_labels import class_labels
from synthkd.rows.corpus_files import CorpusFile
from synthkd.rows.documents import read_text, text_files
from synthkd.rows.formats import allow_long_cells
from synthkd.rows.memory import RowSource, is_path, rows_in_file, source_rows, write_given_rows
from synthkd.rows.read import BATCH, FORMATS, read_rows, read_tables

__all__ = [
    "BATCH",
    "FORMATS",
    "CellError",
    "CorpusFile",
    "RowSource",
    "Rows",
    "UnreadableCell",
    "allow_long_cells",
    "arrow_values",
    "cell_text",
    "class_labels",
    "describe_cell",
    "is_empty",
    "is_path",
    "read_rows",
    "read_tables",
    "read_text",
    "rows_in_file",
    "source_rows",
    "text_cell",
    "text_files",
    "text_lines",
    "write_given_rows",
]
