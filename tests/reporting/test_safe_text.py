"""Text of unknown origin, escaped for terminals, JSON, Markdown, HTML and spreadsheets."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from support.files import ROOT

from synthkd.errors import InputError, RequestError
from synthkd.reporting.safe_text import (
    CleanStream,
    clean,
    clean_lines,
    from_cell,
    html_lines,
    html_text,
    json_text,
    markdown,
    markdown_block,
    markdown_code,
    to_cell,
)

#: By what it does to a terminal or a page.
HOSTILE = {
    "clipboard": "no \x1b]52;c;aGFja2Vk\x07 model",
    "cursor": "a\x1b[2J\x1b[1;1Hsynthkd: all is well",
    "title": "a\x1b]0;mine\x1b\\b",
    "device control": 'a\x1bP$q"p\x1b\\b',
    "eight bits": "a\x9b2J\x9d52;c;eA==\x9c\x90x\x9c",
    "overwritten": "error: failed\rsynthkd: all is well",
    "rubbed out": "bad\x08\x08\x08good",
    "bell and null": "a\x07\x00\x0b\x0cb\x7f",
    "lines": "error\nsynthkd: all is well\x85x\u2028y\u2029z\x1c\x1d",
    "bidi override": "abc\u202egpj.exe\u202c",
    "bidi isolate": "a\u2066b\u2067c\u2068d\u2069e\u200e\u200f\u061c",
    "hidden letters": "pass\u200bword\u2060\ufeff\xad\u3164 \u200ba\u200d",
    "tags": "hello\U000e0001\U000e0068\U000e0069",
    "variation selectors": "a\ufe00\ufe01\U000e0100\U000e0101",
    "half surrogates": "a\ud800b\udfff",
}
#: What may never stand in a line that is shown.
STEERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\u3164\ud800-\udfff\ufeff\U000e0000-\U000e0fff]"
)
TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*HOSTILE.values(), "\u200d", "\ufe0f", "\u200c", "\r\n", "\n", "\t"]),
        st.text(st.characters(exclude_categories=[]), max_size=6),
    ),
    max_size=6,
).map("".join)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_steers_a_terminal_is_escaped_in_a_line(text: str) -> None:
    assert not STEERS.search(clean(text))
    assert not STEERS.search(clean_lines(text).replace("\n", ""))


def test_nothing_is_dropped_without_a_trace() -> None:
    assert (
        clean("a\x1b[2J\x9b\u202e\r\n\t\U000e0041\ud800")
        == r"a\x1b[2J\x9b\u202e\r\n\t\U000e0041\ud800"
    )


@pytest.mark.slow
@given(TEXTS)
def test_whatever_is_shown_is_one_clean_line(text: str) -> None:
    shown = clean(text)
    assert not STEERS.search(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


@pytest.mark.slow
@given(TEXTS)
def test_lines_of_a_text_are_set_in_and_clean(text: str) -> None:
    first, *others = clean_lines(text, "  ").split("\n")
    assert all(line.startswith("  ") for line in others)
    assert not any(STEERS.search(line.replace("\t", "")) for line in (first, *others))


@pytest.mark.parametrize(
    "text",
    [
        "می‌خواهم", "क्‍ष", "ශ්‍රී", "👩‍💻 👨‍👩‍👧", "❤️ 1️⃣ ©️", "👍🏽", "葛\U000e0100", "naïve café",
        "שלום", "العربية", "日本語　全角", "a\xa0b",
    ],
)  # fmt: skip
def test_the_spelling_of_any_language_and_emoji_stays(text: str) -> None:
    assert clean(text) == text


def test_a_line_can_be_bounded() -> None:
    assert clean("abcdef", 4) == "abc…"
    assert clean("abcd", 4) == "abcd"
    assert len(clean("\x1b" * 10**6, 100)) == 100


def test_errors_are_one_clean_line_wherever_they_are_shown() -> None:
    assert (
        str(InputError(f"{HOSTILE['clipboard']}: no such file"))
        == r"no \x1b]52;c;aGFja2Vk\x07 model: no such file"
    )
    assert str(RequestError("refused", "a\nb\x9b")) == r"refused: a\nb\x9b"


@pytest.mark.slow
@given(TEXTS)
def test_json_is_clean_and_exact(text: str) -> None:
    said = json_text({"text": [text, {text: 1}]})
    assert json.loads(said) == {"text": [text, {text: 1}]}
    assert not STEERS.search(said)


# Markdown


LIVE = [
    "![x](https://tracker.example/x.png)",
    "[free](https://phish.example)",
    "[a]: https://phish.example",
    "[a][b] [a]",
    "<img src=https://tracker.example/x.png>",
    "<script>alert(1)</script>",
    "<!-- x",
    "<https://phish.example>",
    "https://phish.example/a_b",
    "see www.phish.example.",
    "phish.example",
    "mail me@phish.example now",
    "mailto:me@phish.example",
    "@someone",
    "#1 x/y#2",
    ":smile:",
    "# heading",
    "heading\n===",
    "- item\n- item",
    "1. item",
    "> quote",
    "```\ncode",
    "~~~",
    "    indented",
    "---",
    "a | b",
    "a \\| b",
    "a \\",
    "\\`x`",
    "`a|b`",
    "``x` <b>",
    "*a* **b** _c_ __d__ ~~e~~ $f$ ^g^",
    "&lt;b&gt; &amp; &#60;",
    "{{ x }} {% y %} ${z}",
    "[^1] [^1]: note",
    "- [ ] todo",
    "| a |\n|---|\n| b |",
]
PIECES = st.lists(
    st.one_of(st.sampled_from(LIVE), st.sampled_from(list("`|\\<>[]()!*_~#-+=.:/@& \n1ab")), TEXTS),
    max_size=6,
).map("".join)
PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
#: What renderers link after parsing, in text that stands outside code: addresses, hosts, mentions.
LINKED = re.compile(r"//|\bwww\.|\w@\w|(?<!\w)@\w|[^\W\d_]\.[^\W\d_]{2}|:\w+:")


def texts(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from texts(token.children) if token.children else [token]


def as_read(source: str, allowed: set[str]) -> str:
    """Return the text that a reader sees; fail for all that is neither text nor code."""
    parts: list[str] = []
    joined = ""
    for token in texts(PARSER.parse(source)):
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
            joined += token.content if token.type == "text" else "\0"
        else:
            assert token.type in allowed or not token.content, (token.type, token.content)
            assert token.type in allowed, token.type
            # Cells, rows and headings are apart.
            joined += "\0" if token.type.endswith("_open") else ""
    assert not LINKED.search(joined), joined
    return "".join(parts)


def one_line(text: str) -> str:
    # The parser strips other blanks, such as no-break spaces, from both ends.
    return clean(re.sub(r"[ \t\r\n]+", " ", text).strip(" ")).strip()


@pytest.mark.slow
@given(PIECES)
def test_markdown_in_a_paragraph_is_read_as_the_text(text: str) -> None:
    assert as_read(
        markdown(text), {"paragraph_open", "paragraph_close", "inline"}
    ).strip() == one_line(text)


@pytest.mark.slow
@given(PIECES)
def test_markdown_in_a_heading_is_read_as_the_text(text: str) -> None:
    assert as_read(
        f"# {markdown(text)}", {"heading_open", "heading_close", "inline"}
    ).strip() == one_line(text)


@pytest.mark.slow
@given(PIECES, PIECES)
def test_markdown_in_cells_stays_in_its_cells(one: str, other: str) -> None:
    allowed = {
        f"{part}_{end}"
        for part in ("table", "thead", "tbody", "tr", "th", "td")
        for end in ("open", "close")
    }
    read = as_read(
        f"| a | b |\n|---|---|\n| {markdown(one)} | {markdown(other)} |", allowed | {"inline"}
    )
    assert read == "ab" + one_line(one) + one_line(other)


@pytest.mark.slow
@given(PIECES)
def test_markdown_code_is_read_as_the_text(text: str) -> None:
    read = as_read(f"x {markdown_code(text)}", {"paragraph_open", "paragraph_close", "inline"})
    assert read.removeprefix("x").strip() == one_line(text)


@pytest.mark.slow
@given(PIECES)
def test_a_block_of_markdown_code_cannot_be_closed_from_inside(text: str) -> None:
    (token,) = PARSER.parse(markdown_block(text, "console"))
    assert (token.type, token.info) == ("fence", "console")
    assert token.content == f"{clean_lines(text)}\n"


@pytest.mark.parametrize("text", LIVE)
def test_no_sign_of_a_tag_or_link_is_in_the_source(text: str) -> None:
    for source in (markdown(text), markdown_code(text)):
        assert not re.search(r"<|>|\]\(|(?<!\\)\[", source)


def test_plain_words_and_numbers_stay_as_they_are() -> None:
    for text in (
        "a hammer is used for nails",
        "snake_case",
        "0.734",
        "-0.3",
        "12,345 (5%)",
        "Everyday: facts",
    ):
        assert markdown(text) == text


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
@given(PIECES)
def test_html_has_no_tags_or_attributes_from_outside(text: str) -> None:
    found = Tags()
    found.feed(
        f"<p title='{html_text(text)}'"
        f' class="{html_text(text)}">{html_text(text)}{html_lines(text)}</p>'
    )
    assert found.tags == [("p", [("title", clean(text)), ("class", clean(text))])]
    assert found.text == clean(text) + clean_lines(text)


# Cells


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", '"=1"', '" =1', "'=1", "＝1",
    "＋1", "－1", "＠x", "−2", "﹦1",
    '=HYPERLINK("https://phish.example","x")', "=cmd|' /C calc'!A0", "-2+3+cmd|' /C"
        " calc'!A0", "\ufeff=1", "\u200b=1", "\x00=1",
]  # fmt: skip
CELLS = st.lists(
    st.one_of(
        st.sampled_from([*FORMULAS, "'", "'\u2060", "\u2060", '"', ",", "\n"]), st.text(max_size=4)
    ),
    max_size=4,
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_marked_as_text(text: str) -> None:
    assert to_cell(text).startswith("'")
    assert to_cell(text, formulas=True) == text


@pytest.mark.parametrize("value", ["a = b", "1-1", "me@here", "", "'tis", 3, -0.3, None, True])
def test_other_texts_and_numbers_stay_as_they_are(value: object) -> None:
    assert to_cell(value) is value


@pytest.mark.slow
@given(CELLS.map("".join), st.booleans())
def test_a_cell_comes_back_as_it_was(text: str, formulas: bool) -> None:
    assert from_cell(to_cell(text, formulas)) == text


@pytest.mark.slow
@given(CELLS.map("".join))
def test_no_cell_of_a_file_begins_as_a_formula(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([to_cell(text), "x"])
    ((cell, _),) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert not re.match(r"[\s\"']*[=+\-@＝＋－＠]", cell)


def test_cells_of_other_writers_are_read_as_they_are() -> None:
    for text in ("'=1", "'-ism", "''=1", "' =1"):
        assert from_cell(text) == text


# Streams


def through(*written: str, encoding: str = "utf-8") -> str:
    inner = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    stream = CleanStream(inner)
    for text in written:
        assert stream.write(text) == len(text)
    stream.flush()
    return inner.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_stream_passes_on_nothing_that_steers(text: str) -> None:
    assert not STEERS.search(through("synthkd: ", text, "\n").replace("\n", ""))
    assert not STEERS.search(through(f"{text}\n").replace("\n", ""))


def test_progress_bars_of_libraries_draw_their_own_line_anew() -> None:
    assert through("\rload: 1%", "\rload: 2%", "\n", "\rx\r") == "\rload: 1%\rload: 2%\n\rx\r"


def test_a_carriage_return_never_hides_what_stands_before_it() -> None:
    assert through("error: ", "\rall is well") == "error: \\rall is well"
    assert through("a\rb\n") == "a\\rb\n"


def test_a_narrow_encoding_gets_escapes_instead_of_an_error() -> None:
    assert through("naïve ✓", encoding="ascii") == "na\\xefve \\u2713"


@pytest.mark.slow
def test_few_files_print_and_each_of_them_cleans() -> None:
    printing = {
        path.relative_to(ROOT / "synthkd").as_posix()
        for path in (ROOT / "synthkd").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert {name for name in printing if not name.startswith("testing/")} == {
        "cli/program.py", "loops/engine.py", "progress.py",
    }  # fmt: skip
