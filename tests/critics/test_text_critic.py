"""The text critic: what it learns, that batches carry no meaning, its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv

from synthkd.critics.cross_fitting import crossfit
from synthkd.critics.folder import load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.text.critic import TextCritic
from synthkd.critics.text.siblings import with_siblings
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError
from synthkd.kinds.triple import TripleKind


class Grounded(TripleKind):
    """A sentence that follows from a text or not, and how it was asked for."""

    name: ClassVar[str] = "grounded"
    columns: ClassVar[tuple[str, ...]] = ("passage", "style", "sentence")
    input_columns: ClassVar[tuple[str, ...]] = ("passage", "style")
    group_column: ClassVar[str] = "passage"

    def verbalize(self, candidate: Any) -> str:
        return str(candidate["sentence"])

    def normalize(self, candidate: Any) -> tuple[str, ...]:
        return tuple(str(candidate[column]) for column in self.columns)


KIND = Grounded()
NAMES = [f"{a}{b}{c}" for a in "bdkl" for b in "aeiou" for c in ("mint", "rost", "tal", "vek")]


def sheet_rows(count: int = 400) -> list[dict[str, Any]]:
    """Return rows of two styles.

    In `plain` a sentence is right if it names what the passage names; in `other`, if it does not.
    """
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        mine, another = rng.choice(NAMES, 2, replace=False)
        style, faithful = ("plain", "other")[i % 2], bool(rng.random() < 0.5)
        sentence = f"{mine if faithful else another} was there."
        row = {"passage": f"On day {i} we met {mine}.", "style": style, "sentence": sentence}
        rows.append(row | {"label": faithful == (style == "plain"), "logprob": -2.0, "tokens": 4})
    return rows


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows).select([*KIND.columns, "logprob", "tokens"])


@pytest.fixture(scope="module")
def critic() -> TextCritic:
    rows = sheet_rows()
    found = TextCritic(KIND)
    found.fit(
        table(rows), np.array([row["label"] for row in rows]), [row["passage"] for row in rows]
    )
    return found


@pytest.mark.slow
def test_overlap_with_the_source_is_learnt_within_each_category(critic: TextCritic) -> None:
    new = [
        {"passage": f"On day 500 we met {mine}.", "style": style, "sentence": f"{said} was"
            " there.", "logprob": -2.0, "tokens": 4}
        for style in ("plain", "other") for mine, said in (("xunat", "xunat"), ("xunat", "yolev"))
    ]  # fmt: skip
    faithful, invented, faithful_other, invented_other = critic.score(table(new))
    assert faithful > 0.8 > 0.2 > invented
    assert invented_other > 0.8 > 0.2 > faithful_other


@pytest.mark.slow
def test_batches_carry_no_meaning_for_the_text_critic(critic: TextCritic) -> None:
    rows = table(sheet_rows(20))
    alone = np.concatenate([critic.score(rows.slice(i, 1)) for i in range(rows.num_rows)])
    np.testing.assert_allclose(critic.score(rows), alone)


def test_no_rows_have_no_text_scores(critic: TextCritic) -> None:
    assert len(critic.score(table(sheet_rows(1)).slice(0, 0))) == 0


@pytest.mark.slow
def test_it_is_trained_from_a_sheet_and_loaded_again(tmp_path: Path) -> None:
    sheet = read_labels(write_csv(tmp_path / "labels.csv", sheet_rows()), KIND)
    trained = train_critic(KIND, sheet, "text", tmp_path / "critic", {"words": 20})
    assert trained.curve.auc > 0.95
    again = load_critic(tmp_path / "critic", KIND)
    np.testing.assert_allclose(again.score(sheet.rows), trained.score(sheet.rows))


@pytest.mark.slow
def test_columns_of_siblings_are_learnt_from_and_then_asked_for() -> None:
    rng, rows = np.random.default_rng(1), []
    for i in range(200):
        for rank in range(3):
            row = {
                "passage": f"text {i}",
                "style": "plain" if i % 2 else "other",
                "sentence": f"s{rank}",
            }
            likelihood = -float(rng.uniform(2, 9)) - rank if rank else -1.0 - i % 7
            rows.append(row | {"logprob": likelihood, "tokens": 1})
    bare = pa.Table.from_pylist(rows)
    full = with_siblings(bare, KIND)
    labels = np.array(full["sibling_rank"].to_pylist()) == 0.0
    scores = crossfit(lambda: TextCritic(KIND, words=0), full, labels, bare["passage"].to_pylist())
    assert scores[labels].mean() > scores[~labels].mean() + 0.5
    critic = TextCritic(KIND)
    critic.fit(full, labels)
    with pytest.raises(CriticError, match="no column 'sibling_rank'"):
        critic.score(bare)


@pytest.mark.slow
def test_a_sheet_keeps_the_columns_of_siblings(tmp_path: Path) -> None:
    rows = sheet_rows(200)
    for row in rows:
        row["sibling_rank"] = 0.25
    sheet = read_labels(write_csv(tmp_path / "labels.csv", rows), KIND)
    assert set(sheet.rows["sibling_rank"].to_pylist()) == {0.25}
    trained = train_critic(KIND, sheet, "text", tmp_path / "critic")
    assert load_critic(tmp_path / "critic", KIND).held_out.equals(trained.held_out)


def test_a_number_of_words_below_zero_is_refused() -> None:
    with pytest.raises(CriticError, match="words: a whole number from 0 on is needed, not -1"):
        TextCritic(KIND, words=-1)


def test_verdicts_of_one_sort_are_refused_by_the_text_critic() -> None:
    with pytest.raises(CriticError, match="rows of both"):
        TextCritic(KIND).fit(table(sheet_rows(30)), np.ones(30, bool))
