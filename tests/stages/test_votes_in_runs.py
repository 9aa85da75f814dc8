"""Votes in a run: outcomes and reasons, columns, counts, card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv
from support.recipes import Make

import synthkd
from synthkd import Recipe, plugins, run
from synthkd.commands.show import show_candidate, show_path
from synthkd.errors import RecipeError
from synthkd.filters.ballot import Ballot, question_of
from synthkd.filters.vote_weights import VoteWeight
from synthkd.kinds.base import Malformed
from synthkd.kinds.event import EventKind
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.triple import TripleKind
from synthkd.recipe.parts import VotesPart
from synthkd.testing import FakeServer


class Constant(VoteWeight):
    """A weight that is no count, though all votes weigh alike."""

    name = "constant"

    def weigh(self, rows: Any, votes: Any, scores: Any) -> Any:
        return np.full(len(votes), 0.3)


def answers(*texts: str) -> Callable[[str, int, int], str]:
    """Answer every request with these texts in their order."""
    return lambda prompt, index, seed: texts[index]


def voted(make_recipe: Make, texts: tuple[str, ...], heads: int = 1, **votes: Any) -> Any:
    with FakeServer(answer=answers(*texts)) as server:
        teacher = {
            "backend": "openai", "model": "fake", "base_url": server.url, "concurrency": 4,
            "sampling": {"n": len(texts), "logprobs": True},
        }  # fmt: skip
        return run(make_recipe(server.url, heads=heads, teacher=teacher, votes=votes), quiet=True)


def reasons(result: Any) -> dict[str, str]:
    return {
        row["tail"]: row["reason"]
        for row in result.corpus.rejected.to_pylist()
        if row["rejected_by"] == "votes"
    }


@pytest.mark.slow
def test_the_winner_of_a_question_is_kept_and_the_others_are_told_by_how_much_they_lost(
    make_recipe: Make,
) -> None:
    result = voted(make_recipe, ("cutting", "cutting", "cutting", "eating"), keep="winner")
    (row,) = result.corpus.table(provenance=True).to_pylist()
    assert (row["tail"], row["votes"], row["agreement"], row["margin"]) == ("cutting", 3, 0.75, 0.5)
    assert row["recurrence"] == 3
    reason = reasons(result)["eating"]
    assert reason == 'outvoted: 1 of 4 for "eating", 3 for "cutting"'
    assert result.counts["votes"] == {"questions": 1, "unanimous": 0, "led": 1, "tied": 0}
    assert result.counts["rejected"]["votes"] == 1


@pytest.mark.slow
def test_no_row_of_a_tied_question_is_accepted(make_recipe: Make) -> None:
    result = voted(make_recipe, ("cutting", "eating", "cutting", "eating", "play"), keep="winner")
    assert result.counts["accepted"] == 0
    assert result.counts["rejected"]["votes"] == 5
    assert set(reasons(result).values()) == {'tie between "cutting" and "eating", 2 of 5 each'}


@pytest.mark.slow
def test_the_card_of_a_corpus_that_accepted_nothing_reads_the_split_that_has_rows(
    make_recipe: Make,
) -> None:
    result = voted(make_recipe, ("cutting", "eating"), keep="winner")
    card = (result.recipe.corpus_path / "README.md").read_text("utf-8")
    assert 'load_dataset("PATH", "rejected", split="train")' in card
    assert "config_name: default" not in card


@pytest.mark.slow
def test_a_kind_that_keeps_all_keeps_every_answer_with_enough_votes(make_recipe: Make) -> None:
    result = voted(make_recipe, ("cutting", "cutting", "eating", "play"), min_votes=2)
    assert reasons(result) == {
        "eating": "too few votes: 1, asked 2",
        "play": "too few votes: 1, asked 2",
    }
    result = voted(make_recipe, ("cutting", "cutting", "eating", "play"), min_agreement=0.5)
    assert reasons(result)["eating"] == "agreement 0.25, below 0.50"


@pytest.mark.slow
def test_a_winner_needs_the_lead_that_is_asked_for(make_recipe: Make) -> None:
    result = voted(make_recipe, ("cutting", "cutting", "eating"), keep="winner", min_margin=0.5)
    assert reasons(result)["cutting"] == "lead 0.33, below 0.50"


@pytest.mark.slow
def test_malformed_completions_and_those_that_a_rule_rejects_count_as_asked(
    make_recipe: Make,
) -> None:
    result = voted(make_recipe, ("cutting", " ... ", "what <?>", "cutting"))
    (row,) = result.corpus.table(provenance=True).to_pylist()
    assert (row["votes"], row["agreement"]) == (2, 0.5)


@pytest.mark.slow
def test_columns_are_filled_without_votes_in_the_recipe_too(
    make_recipe: Make, server: FakeServer
) -> None:
    result = run(make_recipe(server.url), quiet=True)
    assert result.counts["votes"] is None
    assert all(
        row["votes"] >= 1 and row["entropy"] >= 0
        for row in result.corpus.table(provenance=True).to_pylist()
    )


@pytest.mark.slow
@pytest.mark.parametrize("by", ["likelihood", "teacher"])
def test_votes_are_weighed(make_recipe: Make, by: str) -> None:
    result = voted(make_recipe, ("cutting", "cutting", "eating"), heads=3, keep="winner", by=by)
    assert {row["tail"] for row in result.corpus.table(provenance=True).to_pylist()} == {"cutting"}
    assert f"by {by}" in reasons(result)["eating"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "winner"), [("count", "eating"), ("likelihood", "cutting"), ("teacher", "cutting")]
)
def test_what_a_vote_weighs_may_turn_the_majority_of_a_question(
    tmp_path: Path, by: str, winner: str
) -> None:
    # Two teachers agree on all other questions, and the third says something of its own.
    said: dict[str, list[tuple[str, str, float]]] = {
        f"q{i}": [("good", "cutting", -1), ("fair", "cutting", -1), ("poor", f"thing {i}", -1)]
        for i in range(20)
    }
    said["asked"] = [("good", "cutting", -0.1), ("poor", "eating", -9), ("poor", "eating", -9)]
    write_csv(
        tmp_path / "in.csv", [{"id": name, "head": name, "relation": "UsedFor"} for name in said]
    )
    rows = [
        {"input_id": name, "sample_index": n, "model": model, "text": text, "logprob": logprob}
        for name, samples in said.items() for n, (model, text, logprob) in enumerate(samples)
    ]  # fmt: skip
    write_csv(tmp_path / "rows.csv", rows)
    raw = {
        "name": "weighed",
        "inputs": {"path": "in.csv", "id": "id"},
        "kind": {"name": "triple", "relations": "everyday"},
        "teacher": {"backend": "recorded", "path": "rows.csv", "sampling": {"n": 3}},
        "votes": {"by": by, "keep": "winner"},
        "corpus": {"path": "corpus"},
    }
    corpus = run(Recipe.from_dict(raw, tmp_path), quiet=True).corpus
    (row,) = [
        row for row in corpus.table(provenance=True).to_pylist() if row["input_id"] == "asked"
    ]
    assert row["tail"] == winner


@pytest.mark.slow
@pytest.mark.parametrize("by", ["count", "likelihood", "teacher"])
def test_many_partitions_count_as_one_does(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with FakeServer(answer=answers("cutting", "eating", "cutting", "play")) as server:
        teacher = {
            "backend": "openai", "model": "fake", "base_url": server.url,
            "sampling": {"n": 4, "logprobs": True},
        }  # fmt: skip
        recipe = make_recipe(
            server.url, heads=20, teacher=teacher, votes={"by": by, "keep": "winner"}
        )
        one = run(recipe, quiet=True)
        assert 0 < one.counts["rejected"]["votes"] < one.counts["candidates"]
        monkeypatch.setattr("synthkd.stages.filter.PARTITION_ROWS", 5)
        assert run(recipe, quiet=True).manifest == one.manifest


@pytest.mark.slow
def test_votes_by_critic_are_weighed_by_its_scores_which_the_rows_keep(
    make_recipe: Make, tmp_path: Path
) -> None:
    sheet = [
        {"head": f"thing {i}", "relation": "UsedFor", "tail": tail, "label": label}
        for i in range(60)
        for tail, label in (("cutting", 0), ("eating", 1))
    ]
    write_csv(tmp_path / "labels.csv", sheet)
    with FakeServer(answer=answers("cutting", "eating", "cutting")) as server:
        teacher = {
            "backend": "openai", "model": "fake", "base_url": server.url,
            "sampling": {"n": 3, "logprobs": True},
        }  # fmt: skip
        critic = {"labels": "labels.csv", "precision": 0.5}
        votes = {"by": "critic", "keep": "winner"}
        result = run(
            make_recipe(server.url, teacher=teacher, critic=critic, votes=votes), quiet=True
        )
    assert {row["tail"] for row in result.corpus.table(provenance=True).to_pylist()} == {"eating"}
    assert set(reasons(result)) == {"cutting"}
    rows = [*result.corpus.table(provenance=True).to_pylist(), *result.corpus.rejected.to_pylist()]
    scores = {row["completion_key"]: row["score"] for row in rows}
    assert None not in scores.values()
    # A critic looks at how often a candidate came: weighing votes must not change what it sees.
    alone = run(
        make_recipe(server.url, teacher=teacher, critic=critic, votes={"by": "count"}), quiet=True
    )
    rows = [*alone.corpus.table(provenance=True).to_pylist(), *alone.corpus.rejected.to_pylist()]
    scored = {row["completion_key"]: row["score"] for row in rows if row["score"] is not None}
    assert scored == {key: scores[key] for key in scored}
    assert scored


@pytest.mark.slow
def test_the_card_the_table_and_show_tell_the_votes(make_recipe: Make) -> None:
    result = voted(make_recipe, ("cutting", "cutting", "eating"), keep="winner")
    said = "on 1 questions: 0 unanimous, 1 led, 0 tied"
    assert said in str(result)
    assert f"votes {said}" in show_path(result.recipe.corpus_path)
    card = (result.recipe.corpus_path / "README.md").read_text()
    assert "| questions with a leading answer | 1 |" in card
    assert "| rejected by votes | 1 |" in card
    (row,) = result.corpus.table(provenance=True).to_pylist()
    assert "votes 2, agreement 0.66" in show_candidate(result.recipe.corpus_path, row["id"])


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ({"by": "critic"}, "no critic"),
        ({"by": "likelihood"}, "logprobs: true"),
        ({"min_margin": 0.1}, "keep: winner"),
        ({"by": "cont"}, "unknown vote 'cont' \\(did you mean 'count'\\?\\)"),
        ({"by": "count", "options": {"power": 2}}, "vote 'count': no option 'power'"),
        (
            {"by": "likelihood", "keep": "winner", "adaptive": {}},
            "`adaptive` needs votes that are counted; `by: likelihood` weighs them",
        ),
    ],
)
def test_votes_that_cannot_be_counted_are_refused_before_anything_is_sent(
    make_recipe: Make, server: FakeServer, votes: dict[str, Any], said: str
) -> None:
    teacher = {"backend": "openai", "model": "fake", "base_url": server.url}
    with pytest.raises(RecipeError, match=said):
        run(make_recipe(server.url, votes=votes, teacher=teacher), quiet=True)
    assert server.requests == 0


WEIGHTS = """
from synthkd.filters import VoteWeight

def short_answers(row, *, power: float = 1.0):
    "Weigh short answers more."
    return (1 / len(row["tail"])) ** power

class FirstSeen(VoteWeight):
    "Weigh an answer by the rows of all partitions that give it."
    name = "by_rows"
    looks_ahead = True

    def __init__(self, **options):
        super().__init__(**options)
        self.rows = {}

    def observe(self, rows, votes):
        for tail, counts in zip(rows.column("tail").to_pylist(), votes):
            if counts:
                self.rows[tail] = self.rows.get(tail, 0) + 1

    def state(self):
        return self.rows

    def merge(self, states):
        self.rows = {}
        for state in states:
            for tail, count in state.items():
                self.rows[tail] = self.rows.get(tail, 0) + count

    def weigh(self, rows, votes, scores):
        return [1 / self.rows.get(tail, 1) for tail in rows.column("tail").to_pylist()]

    def findings(self):
        return {"rows": self.rows}

def nothing(row):
    return float("nan")

def text(row):
    return "2"

class Without(VoteWeight):
    "Weigh without what looking ahead needs."
    name = "without"
    looks_ahead = True

    def weigh(self, rows, votes, scores):
        return None

class Broken(VoteWeight):
    "Weigh with a mistake."
    name = "broken"

    def weigh(self, rows, votes, scores):
        return ["heavy"] * len(votes)
"""


def weighed(make_recipe: Make, by: str, workers: int = 1, **votes: Any) -> Any:
    with FakeServer(answer=answers("cutting", "cutting", "eating")) as server:
        teacher = {
            "backend": "openai", "model": "fake", "base_url": server.url, "concurrency": 4,
            "sampling": {"n": 3},
        }  # fmt: skip
        recipe = make_recipe(
            server.url, heads=3, teacher=teacher, votes={"by": by, "keep": "winner", **votes}
        )
        (recipe.folder / "weights.py").write_text(WEIGHTS)
        return run(recipe, quiet=True, workers=workers)


def test_votes_are_weighed_by_a_function_of_a_file(make_recipe: Make) -> None:
    result = weighed(make_recipe, "weights.py:short_answers", options={"power": 9})
    assert "by short_answers" in reasons(result)["cutting"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_weight_that_looks_ahead_sees_all_votes_in_any_number_of_processes(
    make_recipe: Make, workers: int
) -> None:
    result = weighed(make_recipe, "weights.py:FirstSeen", workers)
    assert result.counts["votes"]["rows"] == {"cutting": 6, "eating": 3}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "vote 'nothing': the completion .* weighs nan; a weight is a finite number"),
        ("text", "vote 'text' returned '2'; a weight is a number from 0 on"),
        ("Without", "vote 'without' looks ahead and has no method `observe`"),
        ("Broken", "vote 'broken' raised ValueError: could not convert string to float"),
    ],
)
def test_a_weight_that_is_no_number_from_0_on_is_refused(
    make_recipe: Make, name: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        weighed(make_recipe, f"weights.py:{name}")


def test_a_weight_of_this_process_alone_is_refused_for_several_workers(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_registered", {})
    synthkd.vote(name="mine")(lambda row: 1.0)
    with pytest.raises(RecipeError, match="vote 'mine' is known in this process alone"):
        weighed(make_recipe, "mine", workers=2)


def test_a_recipe_without_options_of_votes_has_the_fingerprint_of_one_that_cannot_have_them(
    make_recipe: Make,
) -> None:
    recipe = make_recipe("http://127.0.0.1:9/v1", votes={"keep": "winner"})
    assert "options" not in recipe.record()["votes"]


def test_what_a_malformed_completion_was_asked_is_known_where_the_input_alone_says_it() -> None:
    row = {"head": "A cat", "relation": "IsA"}
    assert question_of(TripleKind(), row) == ("cat", "IsA")
    assert question_of(EventKind(), {"draw": 1}) is None


def test_a_malformed_answer_to_a_question_with_choices_counts_beside_the_others() -> None:
    kind, row = (
        RationaleKind(answer="choice"),
        {"question": "Where is a boat?", "choices": ["river", "bank"]},
    )
    read = kind.parse("The answer is (a).", row)
    assert not isinstance(read, Malformed)
    assert question_of(kind, row) == kind.vote_on(read[0])


@pytest.mark.parametrize("limit", ["min_agreement", "min_margin"])
def test_weights_that_are_all_equal_ask_for_no_more_than_counting_does(limit: str) -> None:
    for votes in range(2, 16):
        for won in range(votes // 2 + 1, votes):
            asked = won / votes if limit == "min_agreement" else (2 * won - votes) / votes
            ballot = Ballot(VotesPart(**{limit: asked}), "winner", Constant())
            table = pa.table(
                {
                    "vote_on": ["q"] * votes,
                    "vote_for": ["7"] * won + ["8"] * (votes - won),
                    "completion_key": [str(i) for i in range(votes)],
                    "teacher": ["one"] * votes,
                }
            )
            is_open = np.ones(votes, dtype=bool)
            assert ballot.count(table, is_open).reasons(is_open)[:won] == [None] * won


@pytest.mark.slow
def test_a_share_just_below_what_is_asked_is_told_with_the_digits_that_say_so(
    make_recipe: Make,
) -> None:
    texts = ("cutting", "cutting", "eating")
    result = voted(make_recipe, texts, keep="winner", min_agreement=0.67)
    assert reasons(result)["cutting"] == "agreement 0.667, below 0.670"
    result = voted(make_recipe, texts, keep="winner", min_margin=0.334)
    assert reasons(result)["cutting"] == "lead 0.333, below 0.334"
