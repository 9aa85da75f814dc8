"""The critic `judge` against a server: calibrated, saved and loaded, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import write_csv
from support.judge_critic import KIND, LABELS, made, rows, spoken, sure, table

from synthkd.critics.folder import load_critic
from synthkd.critics.judge.critic import TEMPLATE, JudgeCritic
from synthkd.critics.labels import read_labels
from synthkd.critics.score import count_unscored, score_file
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError, PromptError, RecipeError
from synthkd.keys import fraction
from synthkd.testing import FakeServer


@pytest.mark.slow
def test_scores_are_probabilities_that_labels_have_corrected(tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        critic = made(server.url, tmp_path)
        critic.fit(table(), LABELS)
        raw = [verdict.raw for verdict in critic.verdicts(table())]
        scores = critic.score(table())
    assert {round(value, 3) for value in raw if value is not None} == {0.97, 0.03}
    # It says 0.97 and is right in four of five.
    right = LABELS[np.array(raw, dtype=float) > 0.5].mean()
    assert scores.max() == pytest.approx(right, abs=0.03)
    assert 0.7 < scores.max() < 0.9


def test_without_log_probabilities_several_samples_vote(tmp_path: Path) -> None:
    with FakeServer(answer=spoken) as server:
        critic = made(server.url, tmp_path, samples=5, teacher={"sampling": {"logprobs": False}})
        raws = {verdict.raw for verdict in critic.verdicts(table(40))}
        assert "logprobs" not in server.bodies[0]
        assert server.bodies[0]["n"] == 5
    assert raws <= {0, 0.2, 0.4, 0.6, 0.8, 1}
    assert len(raws) > 2


@pytest.mark.slow
def test_a_reply_that_cannot_be_read_is_an_outcome_with_its_text_and_has_no_score(
    tmp_path: Path,
) -> None:
    def murky(prompt: str, index: int, seed: int) -> str:
        return (
            "Norway is nothing to go by"
            if "good 7 " in prompt.replace("\n", " ")
            else sure(prompt, index, seed)
        )

    with FakeServer(answer=murky) as server:
        critic = made(server.url, tmp_path)
        critic.fit(table(), LABELS)
        assert critic.counts == {"read": 99, "unreadable": 1}
        scores, verdict = critic.score(table()), critic.verdicts(table())[7]
    assert (verdict.outcome, verdict.raw, verdict.reason) == ("unreadable", None, "no verdict")
    assert verdict.readings[0].text == "Norway is nothing to go by"
    (why,) = critic.missing(table().slice(7, 1))
    assert np.isnan(scores[7])
    assert scores[[i for i in range(100) if i != 7]].min() > 0
    assert (why.outcome, why.reason) == ("unreadable", "no verdict: 'Norway is nothing to go by'")


def half(prompt: str, index: int, seed: int) -> str:
    """Answer in JSON, and one statement in five not at all."""
    if fraction(f"mute {prompt}") < 0.2:
        return "The statement is fine."
    return '```json\n{"reason": "seen", "verdict": "%s"}\n```' % (
        "yes" if "good" in prompt else "no"
    )


@pytest.mark.slow
def test_rows_without_a_verdict_have_no_part_in_a_calibration_and_are_counted(
    tmp_path: Path,
) -> None:
    sheet = read_labels(write_csv(tmp_path / "labels.csv", rows(300)), KIND)
    with FakeServer(answer=half) as server:
        teacher = {"backend": "openai", "model": "fake", "base_url": server.url}
        options = {"teacher": teacher, "journal": str(tmp_path / "j.sqlite")}
        trained = train_critic(KIND, sheet, "judge", tmp_path / "out", options)
    left = trained.facts()["unscored_left_out"]
    assert 0 < left == sheet.held_out.sum() - trained.held_out.num_rows
    assert trained.curve.auc == 1
    assert f"without a readable reply of the judge, left out: {left}" in (
        tmp_path / "out" / "README.md"
    ).read_text("utf-8")


@pytest.mark.slow
def test_a_scored_file_says_why_a_row_has_no_score(tmp_path: Path) -> None:
    labels = write_csv(tmp_path / "labels.csv", rows(200))
    with FakeServer(answer=half) as server:
        teacher = {"backend": "openai", "model": "fake", "base_url": server.url}
        options = {"teacher": teacher, "journal": str(tmp_path / "j.sqlite")}
        train_critic(KIND, read_labels(labels, KIND), "judge", tmp_path / "c", options)
        score_file(tmp_path / "c", labels, tmp_path / "o.parquet", KIND, options=options)
    found = pq.read_table(tmp_path / "o.parquet").to_pylist()
    mute = [row for row in found if row["score"] is None]
    assert 0 < len(mute) < 200
    assert {row["unscored"] for row in mute} == {"unreadable: no verdict: 'The statement is fine.'"}
    assert all(row["unscored"] is None for row in found if row["score"] is not None)
    assert count_unscored(tmp_path / "o.parquet") == {"unreadable: no verdict": len(mute)}


@pytest.mark.slow
def test_a_judge_that_nobody_can_read_is_refused(tmp_path: Path) -> None:
    with (
        FakeServer() as server,
        pytest.raises(
            CriticError, match=r"none of the 100 verdicts .* \(no verdict 100\), such as '"
        ),
    ):
        made(server.url, tmp_path).fit(table(), LABELS)


@pytest.mark.slow
def test_it_is_trained_saved_and_loaded_like_any_critic(tmp_path: Path) -> None:
    sheet = write_csv(tmp_path / "labels.csv", rows(300))
    with FakeServer(answer=sure) as server:
        teacher = {"backend": "openai", "model": "fake", "base_url": server.url}
        options = {"teacher": teacher, "journal": str(tmp_path / "judge.sqlite")}
        trained = train_critic(
            KIND, read_labels(sheet, KIND), "judge", tmp_path / "critic", options
        )
        assert trained.curve.auc > 0.7
        assert trained.curve.ece < 0.12
        loaded = load_critic(tmp_path / "critic", KIND, options)
        assert (loaded.score(table()) == trained.score(table())).all()
        assert server.requests == 300


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "critic"
    folder.mkdir()
    with FakeServer(answer=sure) as server:
        critic = made(server.url, tmp_path, teacher={"identity": "fake"})
        critic.fit(table(), LABELS)
        critic.save(folder)
    return folder


@pytest.mark.slow
def test_a_template_that_was_altered_is_refused(saved: Path) -> None:
    path = saved / TEMPLATE
    path.write_text(path.read_text().replace("accept", "reject"))
    with pytest.raises(CriticError, match="altered"):
        JudgeCritic.load(saved, KIND)


def teacher_of(saved: Path, **changes: Any) -> dict[str, Any]:
    """Return teacher options of the scoring user; nothing listens at the address."""
    teacher = {"backend": "openai", "base_url": "http://127.0.0.1:9/v1", **changes}
    return {"teacher": teacher, "journal": saved.parent / "judge.sqlite"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"identity": "another"}, "calibrated on the answers of fake, and another would answer"),
        ({"model": "another"}, "calibrated on the answers of the model 'fake', not 'another'"),
        ({"sampling": {"max_tokens": 3}}, "other sampling parameters"),
        ({"sampling": {"extra_body": {"top_k": 3}}}, "other sampling parameters"),
    ],
)
def test_a_critic_that_was_calibrated_on_another_judge_is_refused(
    saved: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(CriticError, match=said):
        JudgeCritic.load(saved, KIND, **teacher_of(saved, **changes))


@pytest.mark.slow
def test_rows_that_were_judged_need_no_server(saved: Path) -> None:
    assert len(JudgeCritic.load(saved, KIND, **teacher_of(saved)).score(table())) == 100


def test_a_source_is_given_to_a_grounded_judge_and_its_absence_is_named(tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        critic = made(server.url, tmp_path, template="judge/grounded", columns=["source"])
        critic.verdicts(pa.Table.from_pylist(rows(1, source="A page about bread.")))
        assert "A page about bread." in server.bodies[0]["messages"][-1]["content"]
        with pytest.raises(CriticError, match="the judge reads the column 'source'"):
            critic.verdicts(table(1))
        with pytest.raises(CriticError, match="'source' is null"):
            critic.verdicts(pa.Table.from_pylist([*rows(1, source="x"), *rows(1, source=None)]))


def test_a_template_that_names_what_no_row_has_is_found_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    with pytest.raises(PromptError, match="'source', which no input has"):
        made("http://127.0.0.1:9/v1", tmp_path, template="judge/grounded")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"teacher": None}, "needs its option `teacher`"),
        ({"form": "yesno"}, "unknown form"),
        ({"samples": 0}, "samples: a whole number from 1 on is needed"),
        ({"samples": "two"}, "samples: a whole number from 1 on is needed, not 'two'"),
        (
            {"teacher": {"backend": "openai", "model": "m", "base_url": "http://me:pw@h/v1"}},
            "write .NAME",
        ),
        (
            {"teacher": {"backend": "openai", "model": "m", "base_url": "http://h/v1?key=pw"}},
            "write .NAME",
        ),
        (
            {"teacher": {"backend": "openai", "model": "m", "headers": {"Api-Key": "pw"}}},
            "write .NAME",
        ),
        ({"calibration": "plat"}, "one of auto, platt, isotonic is needed"),
        (
            {"teacher": {"backend": "openai", "model": "m", "sampling": {"n": 3}}},
            "option `samples`",
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    teacher = {"backend": "openai", "model": "m"}
    with pytest.raises(CriticError, match=said) as caught:
        JudgeCritic(KIND, **({"teacher": teacher} | options))
    assert "pw" not in str(caught.value)


def test_an_unknown_key_of_the_teacher_is_named() -> None:
    with pytest.raises(RecipeError, match="did you mean 'model'"):
        JudgeCritic(KIND, {"backend": "openai", "modle": "m"})


@pytest.mark.slow
def test_from_a_thousand_labels_on_the_curve_is_isotonic_and_comes_back_from_its_files(
    tmp_path: Path,
) -> None:
    some = table(1200)
    with FakeServer(answer=sure) as server:
        critic = made(server.url, tmp_path, teacher={"identity": "fake"})
        critic.fit(some, np.arange(1200) % 2 == 1)
        scores = critic.score(some)
    assert type(critic.scale).__name__ == "Isotonic"
    (tmp_path / "critic").mkdir()
    critic.save(tmp_path / "critic")
    options = {"teacher": teacher_of(tmp_path)["teacher"], "journal": tmp_path / "judge.sqlite"}
    assert (JudgeCritic.load(tmp_path / "critic", KIND, **options).score(some) == scores).all()
