"""The rule likelihood_ratio, with the embedded teacher as its model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.likelihood_ratio import LikelihoodRatio
from synthkd.kinds.base import SourceText
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.recipe import Recipe
from synthkd.stages.components import resolve_components

pytest.importorskip("torch")
pytest.importorskip("transformers")

from synthkd.teachers.transformers import EMBEDDED

pytestmark = pytest.mark.slow

ROWS = [
    (f"{thing} {verb} {more}", label)
    for label, verb in (("use", "is used for"), ("look", "is often"), ("able", "can"))
    for thing, more in (("knife", "cutting"), ("dog", "running"), ("oak", "hard"), ("cup", "tea"))
]


def kind(rows: list[tuple[str, str]] = ROWS) -> LabelledTextKind:
    made = LabelledTextKind()
    made.real = [SourceText(text, label, "") for text, label in rows]
    return made


def reasons(rule: LikelihoodRatio, of: LabelledTextKind, *rows: tuple[str, str]) -> list[Any]:
    made = [{"text": text, "label": label} for text, label in rows]
    return rule.reject(pa.RecordBatch.from_pylist(made, schema=candidate_schema(of)), of)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_real_rows_are_lost_as_said(share: float) -> None:
    rule = LikelihoodRatio(model=EMBEDDED, real_rows_lost=share)
    lost = sum(reason is not None for reason in reasons(rule, kind(), *ROWS))
    assert lost <= share * len(ROWS)


def test_texts_are_likelier_under_their_class_than_under_another() -> None:
    rule = LikelihoodRatio(model=EMBEDDED)
    reasons(rule, kind(), *ROWS[:1])
    texts, labels = [f"{text} too" for text, _ in ROWS], [label for _, label in ROWS]
    wrong = {"use": "look", "look": "able", "able": "use"}
    right = rule.ratios(texts, labels).mean()
    assert right > rule.ratios(texts, [wrong[label] for label in labels]).mean()


def test_a_text_below_the_threshold_is_rejected_with_both_numbers() -> None:
    rule, of = LikelihoodRatio(model=EMBEDDED), kind()
    reasons(rule, of, *ROWS[:1])
    rule.threshold = 100.0
    (reason,) = reasons(rule, of, ("spoon can", "look"))
    assert reason.startswith("hardly likelier as 'look' (")
    assert reason.endswith("nats a token, at least +100.00)")


def test_the_ratio_is_by_the_models_own_log_probabilities() -> None:
    rule = LikelihoodRatio(model=EMBEDDED, heading="{label}:")
    reasons(rule, kind(), *ROWS[:1])
    text, lines = "cup is used for tea", [" cup is used for tea\n"]
    own, count = rule._scorer.log_probabilities(rule._list("use", without=text), lines)
    alone, _ = rule._scorer.log_probabilities("Texts:\n-", lines)
    assert rule._known[text, "use"] == pytest.approx((own[0] - alone[0]) / count[0], abs=1e-4)
    assert rule._list("use").startswith("use:\n- knife is used for cutting\n- dog")


def test_the_order_and_the_batches_of_texts_do_not_matter() -> None:
    texts = [("spoon is used for eating", "use"), ("spoon is soft", "able"), ("x", "look")]
    rule = LikelihoodRatio(model=EMBEDDED, real_rows_lost=0.25)
    together = reasons(rule, kind(), *texts)
    other = LikelihoodRatio(model=EMBEDDED, real_rows_lost=0.25)
    of = kind()
    assert [reasons(other, of, text)[0] for text in reversed(texts)] == together[::-1]


def test_a_class_without_real_rows_is_not_held_against_a_text() -> None:
    rule = LikelihoodRatio(model=EMBEDDED)
    assert reasons(rule, kind(), ("anything at all", "unheard of")) == [None]


def test_without_a_model_the_rule_is_refused() -> None:
    with pytest.raises(RecipeError, match="model"):
        LikelihoodRatio()


def test_the_model_is_looked_for_in_the_recipes_folder(tmp_path: Path) -> None:
    from synthkd.teachers.transformers.checkpoint import resolve_model

    folder = resolve_model(EMBEDDED, Path())
    assert isinstance(folder, Path)
    shutil.copytree(folder, tmp_path / "model")
    recipe = {
        "name": "x",
        "inputs": {"path": "in.jsonl"},
        "kind": {"name": "labelled_text", "options": {"real": "real.jsonl"}},
        "prompt": {"template": "labelled_text/chat"},
        "teacher": {"backend": "transformers", "model": EMBEDDED},
        "rules": [{"likelihood_ratio": {"model": "model"}}],
        "corpus": {"path": "corpus"},
    }
    (tmp_path / "in.jsonl").write_text('{"label": "use"}\n')
    (tmp_path / "real.jsonl").write_text(
        "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in ROWS)
    )
    (rule, *_) = resolve_components(Recipe.from_dict(recipe, tmp_path)).rules
    assert isinstance(rule, LikelihoodRatio)
    assert rule.options.model == str(tmp_path / "model")
