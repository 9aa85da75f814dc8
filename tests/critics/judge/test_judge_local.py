"""A judge that is a checkpoint in this process, over the transformers backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.files import write_csv
from support.judge_critic import KIND, rows, table

import synthkd
from synthkd.critics.folder import load_critic
from synthkd.critics.judge.critic import READ, JudgeCritic
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the embedded teacher's body under a head of two words, which leans by the prompt."""
    shipped = str(Path(synthkd.__file__).parent / "teachers/everyday")
    tokenizer = transformers.AutoTokenizer.from_pretrained(shipped)
    tokenizer.add_tokens(["Yes", "No"])
    model = transformers.AutoModelForCausalLM.from_pretrained(shipped)
    model.resize_token_embeddings(len(tokenizer))
    head = torch.nn.Linear(
        model.config.hidden_size, model.get_output_embeddings().out_features, bias=False
    )
    prompt = "Statement: {}\n\nWould a careful reader accept this? Answer yes or no."
    with torch.no_grad():
        read = [
            model.model(**tokenizer(prompt.format(said), return_tensors="pt")).last_hidden_state[
                0, -1
            ]
            for said in ("h1 is used for good 1", "h2 is used for bad 2")
        ]
        common, apart = read[0] + read[1], read[0] - read[1]
        # Both words are far likelier than the rest; which of them depends on what differs from row
        # to row.
        both, lean = 20 * common / common.norm() ** 2, apart / apart.norm() ** 2
        lean = lean - common * (lean @ common) / common.norm() ** 2
        lean = 3 * lean - 16 * common / common.norm() ** 2
        head.weight.zero_()
        yes, no = tokenizer.convert_tokens_to_ids(["Yes", "No"])
        head.weight[yes], head.weight[no] = both + lean, both - lean
    model.config.tie_word_embeddings = False
    model.set_output_embeddings(head)
    folder = tmp_path_factory.mktemp("judge") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def part(model: Path | str, **sampling: Any) -> dict[str, Any]:
    """Return a critic part whose reply is one token: a head of two words knows no end."""
    return {
        "backend": "transformers", "model": str(model), "threads": 1, "sampling": {"max_tokens": 1,
        **sampling},
    }  # fmt: skip


def judge(model: Path | str, folder: Path, samples: int = 1, **sampling: Any) -> JudgeCritic:
    return JudgeCritic(
        KIND, part(model, **sampling), journal=folder / "judge.sqlite", samples=samples
    )


def test_the_embedded_teacher_is_no_judge_and_the_refusal_shows_what_it_says(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        CriticError, match=r"none of the 20 verdicts .* such as '.+'; correct the template"
    ):
        # Cold, it ends at once: a prompt of this kind is none that it knows.
        judge("synthkd/everyday", tmp_path, max_tokens=16, temperature=2.0).fit(
            table(20), np.arange(20) % 2 == 1
        )


def test_a_verdict_comes_from_the_probabilities_of_the_checkpoints_first_token(
    two_words: Path, tmp_path: Path
) -> None:
    verdicts = judge(two_words, tmp_path).verdicts(table(24))
    assert {verdict.outcome for verdict in verdicts} == {READ}
    assert {reading.how for verdict in verdicts for reading in verdict.readings} == {"tokens"}
    assert len({verdict.raw for verdict in verdicts}) > 12
    for verdict in verdicts:
        assert verdict.raw is not None
        assert (verdict.raw > 0.5) == verdict.readings[0].text.startswith("Yes")


def test_without_log_probabilities_the_checkpoints_words_vote(
    two_words: Path, tmp_path: Path
) -> None:
    critic = judge(two_words, tmp_path, samples=4, logprobs=False)
    verdicts = critic.verdicts(table(12))
    assert {reading.how for verdict in verdicts for reading in verdict.readings} <= {
        "word",
        "unreadable",
    }
    assert {verdict.outcome for verdict in verdicts} == {READ}
    assert {verdict.raw for verdict in verdicts} <= {0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1}


def test_it_is_trained_saved_loaded_and_not_asked_twice(
    two_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = [verdict.raw or 0 for verdict in judge(two_words, tmp_path).verdicts(table(120))]
    labelled = [
        row | {"label": worth > np.median(raw)} for row, worth in zip(rows(120), raw, strict=True)
    ]
    sheet = read_labels(write_csv(tmp_path / "l.csv", labelled), KIND, held_out=0.5)
    options = {"teacher": part(two_words), "journal": str(tmp_path / "judge.sqlite")}
    trained = train_critic(KIND, sheet, "judge", tmp_path / "critic", options)
    assert trained.curve.auc == 1
    assert "## The judge" in (tmp_path / "critic" / "README.md").read_text("utf-8")
    monkeypatch.setattr(
        "synthkd.teachers.transformers.teacher.TransformersTeacher.stream",
        lambda *_: pytest.fail("asked again"),
    )
    loaded = load_critic(tmp_path / "critic", KIND, options)
    np.testing.assert_array_equal(loaded.score(table(120)), trained.score(table(120)))
