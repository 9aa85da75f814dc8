"""The graph judge: what it learns, what it refuses, and that its folder gives it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv
from support.tiny_encoder import write_bert

from synthkd.critics.folder import load_critic
from synthkd.critics.graphs import GraphJudgeCritic
from synthkd.critics.graphs.features import NUMBERS, StatedTriple, triple_features
from synthkd.critics.graphs.mentions import find_end, nearest_pair
from synthkd.critics.judge.prompt import JudgePrompt
from synthkd.critics.labels import read_labels
from synthkd.critics.score import score_file
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError
from synthkd.kinds.event import EventKind
from synthkd.kinds.fact import FactKind

pytest.importorskip("sklearn", reason="needs the extra critics")

KIND = FactKind()
NAMES = ("Ann", "Bo", "Cy", "Dee", "Eve", "Flo", "Gil", "Hal")
PLACES = ("Oslo", "Rysa", "Turin", "Quito")


def stated(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Return texts of two sentences, with what each states and a link that none states."""
    rows = []
    for number in range(first, first + count):
        one, other = NAMES[number % 8], NAMES[(number + 3) % 8]
        here, there = PLACES[number % 4], PLACES[(number + 1) % 4]
        text = f"{one} was born in {here} . {other} moved to {there} in {1900 + number} ."
        same = {"document_id": f"d{number}", "source": text}
        rows += [
            {**same, "head": one, "relation": "born in", "tail": here, "label": True},
            {**same, "head": other, "relation": "moved to", "tail": there, "label": True},
            {**same, "head": one, "relation": "born in", "tail": there, "label": False},
            {**same, "head": one, "relation": "moved to", "tail": here, "label": False},
        ]
    return rows


def table(rows: list[dict[str, Any]]) -> pa.Table:
    names = [*KIND.columns, "source"]
    return pa.table({name: [row[name] for row in rows] for name in names})


def labels(rows: list[dict[str, Any]]) -> Any:
    return np.array([row["label"] for row in rows], dtype=bool)


def groups(rows: list[dict[str, Any]]) -> list[str]:
    return [row["document_id"] for row in rows]


def test_links_that_no_sentence_states_score_low_in_new_documents() -> None:
    train, test = stated(40), stated(20, 100)
    critic = GraphJudgeCritic(KIND)
    critic.fit(table(train), labels(train), groups(train))
    scores = critic.score(table(test))
    assert scores[labels(test)].min() > 0.5 > scores[~labels(test)].max()


def test_true_facts_alone_are_enough_since_negatives_are_made() -> None:
    train, test = [row for row in stated(60) if row["label"]], stated(20, 100)
    critic = GraphJudgeCritic(KIND)
    critic.fit(table(train), labels(train), groups(train))
    scores = critic.score(table(test))
    assert scores[labels(test)].mean() > scores[~labels(test)].mean() + 0.3


def test_without_made_negatives_both_verdicts_are_needed() -> None:
    train = [row for row in stated(20) if row["label"]]
    with pytest.raises(CriticError, match="all verdicts are the same"):
        GraphJudgeCritic(KIND, negatives=0).fit(table(train), labels(train))


def test_a_score_does_not_depend_on_the_rows_beside_it() -> None:
    train = stated(30)
    critic = GraphJudgeCritic(KIND)
    critic.fit(table(train), labels(train), groups(train))
    whole = critic.score(table(train))
    alone = [critic.score(table([row]))[0] for row in train[:10]]
    assert alone == pytest.approx(whole[:10].tolist(), abs=1e-12)


def test_a_kind_without_the_columns_is_refused() -> None:
    with pytest.raises(CriticError, match="'event' has no 'head'"):
        GraphJudgeCritic(EventKind())


def test_rows_without_a_source_are_refused() -> None:
    train = stated(20)
    critic = GraphJudgeCritic(KIND)
    critic.fit(table(train), labels(train), groups(train))
    with pytest.raises(CriticError, match="no column 'source'"):
        critic.score(table(train).drop_columns(["source"]))


def test_a_sheet_trains_it_and_its_folder_scores_a_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "sheet.csv", stated(80))
    sheet = read_labels(tmp_path / "sheet.csv", KIND)
    trained = train_critic(KIND, sheet, "graph-judge", tmp_path / "critic")
    assert trained.curve.auc > 0.95
    loaded = load_critic(tmp_path / "critic", KIND)
    test = table(stated(10, 200))
    assert loaded.score(test).tolist() == trained.score(test).tolist()
    write_csv(tmp_path / "rows.csv", stated(10, 200))
    assert (
        score_file(tmp_path / "critic", tmp_path / "rows.csv", tmp_path / "o.parquet", KIND) == 40
    )


@pytest.mark.slow
def test_with_an_encoder_its_folder_names_the_encoder(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra local")
    (tmp_path / "bert").mkdir()
    encoder = str(write_bert(tmp_path / "bert", ["born", "in", "moved", "to"], 64))
    train = stated(20)
    critic = GraphJudgeCritic(KIND, model=encoder, device="cpu")
    critic.fit(table(train), labels(train), groups(train))
    (tmp_path / "critic").mkdir()
    critic.save(tmp_path / "critic")
    loaded = GraphJudgeCritic.load(tmp_path / "critic", KIND, device="cpu")
    assert loaded.score(table(train)).tolist() == critic.score(table(train)).tolist()
    (tmp_path / "other").mkdir()
    other = str(write_bert(tmp_path / "other", ["cat"], 64))
    with pytest.raises(CriticError, match="another one than at training"):
        GraphJudgeCritic.load(tmp_path / "critic", KIND, encoder=other)


def test_the_nearest_places_of_one_sentence_are_read() -> None:
    source = "Ann left . Bo met Ann in Oslo . Oslo is old ."
    pair = nearest_pair(source, find_end(source, "Ann"), find_end(source, "Oslo"))
    assert pair is not None
    assert (source[pair.head.start :][:9], pair.between, pair.sentences) == (
        "Ann in Os",
        ("in",),
        0,
    )
    assert pair.forward


def test_a_missing_end_has_no_pair() -> None:
    source = "Ann left ."
    assert nearest_pair(source, find_end(source, "Ann"), find_end(source, "Oslo")) is None
    features = triple_features(StatedTriple(source, "Ann", "left", "Oslo"))
    assert features.numbers[NUMBERS.index("tail_found")] == 0.0


def test_a_language_model_may_judge_facts_by_a_template_of_its_own() -> None:
    prompt = JudgePrompt.load("judge/fact", KIND, ["source"])
    (row,) = prompt.rows(table(stated(1)[:1]))
    (_, asked) = prompt.messages(row)
    assert "Ann was born in Oslo" in asked["content"]
    assert "Ann | born in | Oslo" in asked["content"]
    assert asked["content"].rstrip().endswith("Answer yes or no.")
