"""Tables as text, Markdown and HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from synthkd.reporting.tables import html_table, markdown_table, text_table

ROWS = [["class", "rows"], ["a", "1,000"], ["bcdefgh", "2"]]
EVIL = "<img src=x onerror=alert(1)> | a`b` ![](https://example.org/x) \x1b[2J"


def test_text_columns_are_aligned() -> None:
    assert text_table(ROWS) == "class     rows\na        1,000\nbcdefgh      2"
    assert text_table(ROWS, left=2) == "class    rows\na        1,000\nbcdefgh  2"
    assert text_table(ROWS, left=0) == "  class   rows\n      a  1,000\nbcdefgh      2"


def test_a_text_table_has_one_line_for_each_row_and_no_control_characters() -> None:
    text = text_table([["a", EVIL], ["b\nc", ""]])
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_the_bold_row_of_a_markdown_table_has_a_bold_first_cell() -> None:
    assert markdown_table(ROWS, bold=2).splitlines() == [
        "| class | rows |",
        "| --- | ---: |",
        "| a | 1,000 |",
        "| **bcdefgh** | 2 |",
    ]


def test_cells_of_a_markdown_table_are_no_markup() -> None:
    markdown_it = pytest.importorskip("markdown_it")
    source = markdown_table([["a", EVIL], [EVIL, "1"], ["2", EVIL]], bold=2)
    parser = markdown_it.MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = [token for top in parser.parse(source) for token in (top, *(top.children or []))]
    assert sum(token.type in ("td_open", "th_open") for token in tokens) == 6
    assert {token.type for token in tokens if not token.type.startswith(("t", "i"))} == {
        "code_inline",
        "strong_open",
        "strong_close",
    }
    assert not {token.type for token in tokens} & {"image", "html_inline"}


def test_a_cell_of_a_markdown_table_stays_one_cell() -> None:
    assert markdown_table([["a"], ["x | y\nz"]]).splitlines()[-1] == "| x \\| y z |"


class Tags(HTMLParser):
    """Collect the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_cells_and_caption_of_an_html_table_are_no_markup() -> None:
    parser = Tags()
    parser.feed(html_table([["a", EVIL], [EVIL, "1"]], left=1, bold=1, caption=EVIL))
    assert parser.tags == ["table", "caption", "tr", "th", "th", "tr", "td", "b", "td", "b"]


def test_an_html_table_without_a_header_has_data_cells_alone() -> None:
    assert "<th" not in html_table(ROWS, header=False)
