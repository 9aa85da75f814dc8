"""A label sheet from true triples alone, and the phrases that hard negatives are drawn from."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from support.files import write_csv
from typer.testing import CliRunner

from synthkd.cli.critic import app
from synthkd.critics.labels import read_labels
from synthkd.critics.triples.negatives import Similar, TrueTriples, corrupt, write_negatives
from synthkd.critics.triples.phrases import Triple
from synthkd.critics.triples.reference import COLUMNS
from synthkd.errors import CriticError
from synthkd.kinds.triple import TripleKind

TOOLS, PETS = (
    ["hammer", "saw", "drill", "plane", "wrench", "file"],
    ["dog", "cat", "hen", "cow", "horse", "duck"],
)
KNOWN: list[Triple] = [
    *itertools.product(TOOLS, ["UsedFor"], ["cut wood", "join metal", "fix roofs", "shape stone"]),
    *itertools.product(PETS, ["CapableOf"], ["eat food", "run away", "sleep well", "drink water"]),
]
TRUE = [triple for place, triple in enumerate(KNOWN) if place % 5]


def file_of(path: Path, triples: list[Triple]) -> Path:
    return write_csv(path, [dict(zip(COLUMNS, triple, strict=True)) for triple in triples])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_sheet_has_each_true_triple_and_its_negatives(tmp_path: Path) -> None:
    counts = write_negatives(file_of(tmp_path / "true.csv", TRUE), tmp_path / "sheet.csv", each=2)
    rows = rows_of(tmp_path / "sheet.csv")
    assert [tuple(row[name] for name in COLUMNS) for row in rows if row["label"] == "true"] == TRUE
    assert (
        sum(row["label"] == "false" for row in rows)
        == counts.made
        == 2 * len(TRUE) - counts.missing
    )


def test_a_negative_says_which_slot_was_replaced(tmp_path: Path) -> None:
    write_negatives(file_of(tmp_path / "true.csv", TRUE), tmp_path / "sheet.csv")
    made = [row["made"] for row in rows_of(tmp_path / "sheet.csv") if row["label"] == "false"]
    assert set(made) == set(COLUMNS)


def test_other_triples_known_to_be_true_are_no_negatives(tmp_path: Path) -> None:
    true, known = file_of(tmp_path / "true.csv", TRUE), file_of(tmp_path / "known.csv", KNOWN)
    write_negatives(true, tmp_path / "sheet.csv", each=4, hard=0.5, known=known)
    rows = rows_of(tmp_path / "sheet.csv")
    assert not {
        tuple(row[name] for name in COLUMNS) for row in rows if row["label"] == "false"
    } & set(KNOWN)


def test_a_critic_can_be_trained_on_the_sheet(tmp_path: Path) -> None:
    write_negatives(file_of(tmp_path / "true.csv", TRUE), tmp_path / "sheet.csv", each=2)
    sheet = read_labels(tmp_path / "sheet.csv", TripleKind(), held_out=0.4)
    assert sheet.conflicts == []
    assert sheet.repeated == 0


@pytest.mark.slow
def test_the_command_line_goes_from_true_triples_to_a_critic(tmp_path: Path) -> None:
    true, sheet = file_of(tmp_path / "true.csv", TRUE), tmp_path / "sheet.csv"
    run = CliRunner().invoke(
        app, ["negatives", str(true), str(sheet), "--each", "3", "--hard", "0.3"]
    )
    assert run.exit_code == 0, run.output
    assert f"{len(TRUE)} true triples and" in run.output
    asked = ["--critic", "knowledge-base", "--option", f"reference={true}", "--held-out", "0.4"]
    run = CliRunner().invoke(app, ["train", str(sheet), str(tmp_path / "mine"), *asked])
    assert run.exit_code == 0, run.output
    assert "held-out labels" in run.output


@pytest.mark.parametrize("wrong", [{"each": 0}, {"hard": 1.5}])
def test_numbers_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(CriticError, match="negatives: `each` is"):
        write_negatives(file_of(tmp_path / "true.csv", TRUE), tmp_path / "sheet.csv", **wrong)


def test_a_sheet_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="the sheet is a CSV"):
        write_negatives(file_of(tmp_path / "true.csv", TRUE), tmp_path / "sheet.parquet")


def test_phrases_near_to_one_are_used_as_it_is() -> None:
    similar = Similar.of(TRUE)
    assert set(similar("hammer", 0)[:2]) <= set(TOOLS) - {"hammer"}
    assert similar("cut wood", 2)[0] in {
        tail for _, relation, tail in TRUE if relation == "UsedFor"
    }


def test_a_phrase_that_may_mean_the_same_is_never_near() -> None:
    known = [*KNOWN, *((f"the {head}", relation, tail) for head, relation, tail in KNOWN)]
    similar = Similar.of(known)
    for head in TOOLS + PETS:
        assert not {head, f"the {head}"} & set(similar(head, 0))


def test_hard_negatives_are_nearer_than_those_drawn_at_random() -> None:
    similar = Similar.of(TRUE)

    def near(hard: float) -> float:
        made = corrupt(TRUE, TrueTriples(TRUE), 3, slots=["head"], similar=similar, hard=hard)
        pairs = [
            (TRUE[source][0], head)
            for (head, _, _), source in zip(made.triples, made.source, strict=True)
        ]
        return float(
            np.mean([similar._of([one])[0] @ similar._of([other])[0] for one, other in pairs])
        )

    assert near(1.0) > near(0.0)
