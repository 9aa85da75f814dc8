"""Encoder and judge critics on records and spans: typed rows of a run score as those of a sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv
from support.judge_critic import sure
from support.tiny_encoder import write_bert

from synthkd.critics.base import CriticModel
from synthkd.critics.judge.critic import JudgeCritic
from synthkd.critics.judge.prompt import JudgePrompt
from synthkd.critics.labels import read_labels
from synthkd.kinds.base import Kind
from synthkd.kinds.record import RecordKind
from synthkd.kinds.span import SpanKind
from synthkd.rows import cell_text
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

COUNT = 120
LABELS = np.arange(COUNT) % 2 == 1
GROUPS = [f"g{number // 2}" for number in range(COUNT)]
RECORD = RecordKind(
    columns={"dish": "text", "minutes": "int", "price": "number?", "vegan": "bool?"},
    inputs=["dish"],
)
SPAN = SpanKind(types=["person", "place"])


def word(number: int) -> str:
    return "good" if number % 2 else "bad"


def records(count: int = COUNT) -> list[dict[str, Any]]:
    """Return rows as a run has them: numbers, truths, and nulls in the last columns."""
    return [
        {
            "dish": f"{word(number)} dish {number // 2}",
            "minutes": number,
            "price": None if number % 5 else 1.5,
            "vegan": None if number % 3 else number % 2 == 0,
        }
        for number in range(count)
    ]


def spans(count: int = COUNT) -> list[dict[str, Any]]:
    """Return one span of each sentence; of every seventh sentence it is said that it has none."""
    rows = []
    for number in range(count):
        sentence = f"the {word(number)} place {number // 2}"
        start = sentence.index("place")
        named = ("place", "place", start, start + 5) if number % 7 else ("", "", None, None)
        keys = ("type", "span", "start", "end")
        rows.append({"sentence": sentence, **dict(zip(keys, named, strict=True))})
    return rows


CASES = [pytest.param(RECORD, records(), id="record"), pytest.param(SPAN, spans(), id="span")]


def as_in_a_sheet(folder: Path, kind: Kind, rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as `read_labels` reads them from CSV: every cell a text."""
    cells = [{name: cell_text(row[name]) or "" for name in kind.columns} for row in rows]
    marked = [
        row | {"label": bool(label)} for row, label in zip(cells, LABELS.tolist(), strict=False)
    ]
    sheet = read_labels(write_csv(folder / "labels.csv", marked), kind)
    table = sheet.rows.select(list(kind.columns))
    order = {row[kind.columns[0]]: place for place, row in enumerate(rows)}
    place = [order[value] for value in table.column(kind.columns[0]).to_pylist()]
    return table.take(np.argsort(place))


def trained(critic: CriticModel, rows: list[dict[str, Any]]) -> tuple[Any, Any]:
    table = pa.Table.from_pylist(rows)
    critic.fit(table, LABELS, GROUPS)
    return table, critic.score(table)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(("kind", "rows"), CASES)
def test_an_encoder_critic_learns_and_is_loaded_again(
    tmp_path: Path, kind: Kind, rows: list[dict[str, Any]], frozen: bool
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from synthkd.critics.encoder import EncoderCritic

    (tmp_path / "bert").mkdir()
    tiny = write_bert(tmp_path / "bert", ["good", "bad", "dish", "place"], 64)
    options: dict[str, Any] = {"frozen": True} if frozen else {"epochs": 1}
    critic = EncoderCritic(kind, model=str(tiny), **options)
    table, scores = trained(critic, rows)
    assert np.isfinite(scores).all()
    if frozen:
        assert scores[LABELS].mean() > scores[~LABELS].mean() + 0.3
    assert np.array_equal(critic.score(as_in_a_sheet(tmp_path, kind, rows)), scores)
    (tmp_path / "critic").mkdir()
    critic.save(tmp_path / "critic")
    again = EncoderCritic.load(tmp_path / "critic", kind)
    assert np.array_equal(again.score(table), scores)


@pytest.mark.parametrize(("kind", "rows"), CASES)
def test_a_judge_reads_every_row(tmp_path: Path, kind: Kind, rows: list[dict[str, Any]]) -> None:
    with FakeServer(answer=sure) as server:
        teacher = {"backend": "openai", "model": "fake", "base_url": server.url}
        critic = JudgeCritic(kind, teacher, journal=tmp_path / "judge.sqlite")
        _, scores = trained(critic, rows)
        assert np.isfinite(scores).all()
        assert scores[LABELS].mean() > scores[~LABELS].mean()
        sent = server.requests
        # The same questions, whose answers are in the journal.
        assert np.array_equal(critic.score(as_in_a_sheet(tmp_path, kind, rows)), scores)
        assert server.requests == sent


def test_a_template_of_a_judge_reads_cells_as_texts(tmp_path: Path) -> None:
    template = tmp_path / "own.j2"
    template.write_text("---\nchat: true\n---\n{{ dish }}|{{ minutes }}|{{ price }}|{{ vegan }}\n")
    prompt = JudgePrompt.load(str(template), RECORD)
    read = [prompt.messages(row) for row in prompt.rows(pa.Table.from_pylist(records(2)))]
    assert [one["content"] for (one,) in read] == ["bad dish 0|0|1.5|true", "good dish 0|1||"]
