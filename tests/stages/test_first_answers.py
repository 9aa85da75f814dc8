"""Tests of runs whose first answers are all of no use: they stop, say what to set, and resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.files import write_csv

from synthkd import Journal, Recipe, generate, run
from synthkd.errors import StalledError
from synthkd.testing import FakeServer, FinishedAnswer

HEADS = 60


def recipe(folder: Path, url: str, limits: dict[str, Any] | None = None, **sampling: Any) -> Recipe:
    write_csv(
        folder / "inputs.csv", [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(HEADS)]
    )
    raw = {
        "name": "first",
        "inputs": {"path": "inputs.csv"},
        "kind": {"name": "triple", "relations": "everyday"},
        "prompt": {"template": "triple/everyday-chat"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "concurrency": 2,
            "sampling": {"max_tokens": 12, **sampling},
        },
        "corpus": {"path": "corpus"},
        "limits": limits or {},
    }  # fmt: skip
    return Recipe.from_dict(raw, folder)


def answering(text: str, finish: str | None = "stop", reasoning: str | None = None) -> FakeServer:
    return FakeServer(answer=lambda prompt, index, seed: FinishedAnswer(text, finish, reasoning))


def rejected(counts: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in counts["rejected"].items() if count}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "finish", "reasoning", "told"),
    [
        ("", "length", "The user wants", "raise teacher.sampling.max_tokens (12 now)"),
        ("", "length", None, "raise teacher.sampling.max_tokens (12 now)"),
        ("<think>The user wants", "MAX_TOKENS", None, "teacher.sampling.reasoning_effort: low"),
        ("cutting br", "length", None, "raise teacher.sampling.max_tokens (12 now)"),
        ("", "stop", "All of it.", "teacher.sampling.reasoning_effort: low"),
        ("  ", "stop", None, "teacher.sampling.stop"),
        ("cutting bread", "gave_up", None, "teacher.finish_reasons: [gave_up]"),
        ("cutting bread", None, None, "teacher.finish_reasons: [unknown]"),
    ],
)
def test_a_run_that_buys_nothing_of_use_stops_early_with_what_to_set(
    tmp_path: Path, text: str, finish: str | None, reasoning: str | None, told: str
) -> None:
    with answering(text, finish, reasoning) as server:
        asked = recipe(tmp_path, server.url)
        with pytest.raises(StalledError, match="the first 20 answers are of no use") as caught:
            generate(asked, quiet=True)
        assert told in str(caught.value)
        assert 20 <= server.requests < 30
        with Journal(asked.journal_path) as journal:
            # What was in flight came, and is kept; nothing else is reserved.
            assert (journal.counts().completions, journal.counts().in_flight) == (
                server.requests,
                0,
            )
        sent = server.requests
        with pytest.raises(StalledError):
            generate(asked, quiet=True)
        assert server.requests == sent


@pytest.mark.slow
def test_the_same_command_goes_on_once_the_setting_was_changed(tmp_path: Path) -> None:
    with answering("", "length") as server, pytest.raises(StalledError):
        generate(recipe(tmp_path, server.url), quiet=True)
    with answering("cutting bread") as server:
        assert (
            run(recipe(tmp_path, server.url, max_tokens=200), quiet=True).counts["completed"]
            == HEADS
        )


@pytest.mark.slow
def test_told_never_to_stop_the_run_goes_to_its_end_and_the_table_names_the_reasons(
    tmp_path: Path,
) -> None:
    with answering("", "length", "Hm.") as server:
        done = run(recipe(tmp_path, server.url, {"useless_answers": None}), quiet=True)
    assert done.counts["malformed_reasons"] == {"only_thoughts": HEADS}
    assert f"malformed {HEADS} (only_thoughts {HEADS})" in " ".join(str(done).split())


@pytest.mark.slow
def test_one_answer_of_use_among_the_first_is_enough(tmp_path: Path) -> None:
    with FakeServer(
        answer=lambda prompt, index, seed: (
            "cutting bread" if "thing 7" in prompt.splitlines()[-1] else ""
        )
    ) as server:
        assert generate(recipe(tmp_path, server.url), quiet=True).completed == HEADS


@pytest.mark.slow
def test_many_samples_of_few_inputs_are_not_enough_to_stop(tmp_path: Path) -> None:
    # One odd input with all its samples says little of the others.
    with FakeServer(
        answer=lambda prompt, index, seed: "" if "thing 0" in prompt.splitlines()[-1] else "cutting"
    ) as server:
        assert generate(recipe(tmp_path, server.url, n=25), quiet=True).completed == 25 * HEADS


# What comes of an answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("finish", "rejected_by"),
    [("length", "unfinished"), ("model_length", "unfinished"), ("gave_up", "finish_reason"), (None,
    "finish_reason"),
     ("tool_calls", "finish_reason"), ("end_turn", None)],
)  # fmt: skip
def test_a_text_that_is_not_known_to_be_whole_is_rejected_by_name(
    tmp_path: Path, finish: str | None, rejected_by: str | None
) -> None:
    with answering("cutting bread", finish) as server:
        counts = run(recipe(tmp_path, server.url, {"useless_answers": None}), quiet=True).counts
    assert rejected(counts) == ({rejected_by: HEADS} if rejected_by else {})


@pytest.mark.slow
def test_a_finish_reason_that_the_recipe_trusts_is_whole_and_costs_nothing(tmp_path: Path) -> None:
    with answering("cutting bread", "gave_up") as server:
        asked = recipe(tmp_path, server.url, {"useless_answers": None})
        assert run(asked, quiet=True).counts["accepted"] == 0
        sent = server.requests
        teacher = asked.teacher.model_copy(update={"finish_reasons": ["gave_up"]})
        assert (
            run(asked.model_copy(update={"teacher": teacher}), quiet=True).counts["accepted"]
            == HEADS
        )
        assert server.requests == sent


@pytest.mark.slow
def test_a_row_has_the_tokens_and_the_log_probability_of_its_answer_alone(tmp_path: Path) -> None:
    with FakeServer(
        answer=lambda prompt, index, seed: "<think> not that </think> cutting bread"
    ) as server:
        done = run(recipe(tmp_path, server.url, logprobs=True), quiet=True)
    rows = done.corpus.table(provenance=True).to_pylist()
    assert {(row["tail"], row["tokens"], round(row["logprob"], 6)) for row in rows} == {
        ("cutting bread", 2, -1.4)
    }


@pytest.mark.slow
def test_a_chat_has_the_rule_refusal_and_a_base_model_has_not(tmp_path: Path) -> None:
    with answering("I don't know.") as server:
        asked = recipe(tmp_path, server.url)
        counts = run(asked, quiet=True).counts
        assert counts["rejected"]["refusal"] == HEADS
        plain = asked.model_copy(
            update={"prompt": asked.prompt.model_copy(update={"template": "triple/everyday-plain"})}
        )
        assert "refusal" not in run(plain, quiet=True).counts["rejected"]


@pytest.mark.parametrize(("rules", "accepted"), [(None, 0), (["empty"], 1)])
def test_a_text_that_a_limit_cut_is_rejected_also_for_kinds_without_the_rule_unfinished(
    tmp_path: Path, rules: list[str] | None, accepted: int
) -> None:
    (tmp_path / "ask.j2").write_text("---\nkind: rationale\n---\n{{ question }}")
    write_csv(tmp_path / "questions.csv", [{"question": "How many are 3 and 4?"}])
    with answering("3 + 4 = 7. The answer is 7", "length") as server:
        raw = {
            "name": "cut",
            "inputs": {"path": "questions.csv"},
            "kind": {"name": "rationale"},
            "prompt": {"template": "ask.j2"},
            "teacher": {"backend": "openai", "model": "fake", "base_url": server.url},
            "corpus": {"path": "corpus"},
            **({} if rules is None else {"rules": rules}),
        }
        counts = run(Recipe.from_dict(raw, tmp_path), quiet=True).counts
    assert (counts["accepted"], rejected(counts)) == (
        accepted,
        {} if accepted else {"finish_reason": 1},
    )
