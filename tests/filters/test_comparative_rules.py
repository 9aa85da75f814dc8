"""Rules on comparatives: form, both things of the pair, no echo; and what morphology adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synthkd.errors import RecipeError
from synthkd.filters.comparatives import BothEntities, ComparativeForm, EntityEcho
from synthkd.kinds.comparative.kind import ComparativeKind

KIND = ComparativeKind()
ROW = {"left": "elephant", "right": "cat"}


def row(text: str) -> dict[str, Any]:
    found = KIND.parse(text, ROW)
    assert isinstance(found, list), found
    return found[0]


@pytest.mark.parametrize("text", ["heavier", "much more dangerous", "have longer"
    " trunks", "weigh more", "run faster", "less furry"])  # fmt: skip
def test_comparatives_of_good_form_pass(text: str) -> None:
    assert ComparativeForm().check(row(text), KIND) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("often hunter", "'hunter' is not known as a comparative"),
        ("more heavier", "graded twice: 'more heavier'"),
        ("have longer usually", "ends in 'usually'"),
    ],
)
def test_other_words_are_refused_with_the_reason(text: str, reason: str) -> None:
    assert ComparativeForm().check(row(text), KIND) == reason


def test_words_may_be_allowed() -> None:
    assert ComparativeForm(allowed=["gnarlier"]).check(row("gnarlier"), KIND) is None
    assert ComparativeForm().check(row("gnarlier"), KIND) is not None


def test_a_third_thing_is_named_in_the_reason() -> None:
    rows = [row("larger than dogs"), row("larger than cats")]
    batch = pa.RecordBatch.from_pylist(rows)
    assert BothEntities().reject(batch, KIND) == [
        "speaks of 'dogs', neither 'elephant' nor 'cat'",
        None,
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("have bigger elephants", "names 'elephant' again"),
        ("have bigger bigger ears", "says 'bigger' twice"),
        ("have bigger ears", None),
    ],
)
def test_an_echo_is_refused(text: str, reason: str | None) -> None:
    assert EntityEcho().check(row(text), KIND) == reason


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small tagger: comparatives that it has not seen share their ending."""
    spacy = pytest.importorskip("spacy")
    from spacy.training import Example

    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    words = {
        "gnarlier": "JJR",
        "wobblier": "JJR",
        "hunter": "NN",
        "driver": "NN",
        "zanier": "JJR",
        "farmer": "NN",
    }
    examples = []
    for word, tag in words.items():
        doc = nlp.make_doc(f"Compared to cats, elephants are {word}.")
        tags = ["VBN", "IN", "NNS", ",", "NNS", "VBP", tag, "."]
        examples.append(Example.from_dict(doc, {"tags": tags}))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("tagger")
    nlp.to_disk(path)
    return path


@pytest.mark.slow
def test_a_trained_pipeline_decides_on_words_that_the_lexicon_does_not_know(tagger: Path) -> None:
    rule = ComparativeForm(model=str(tagger))
    assert rule.check(row("gnarlier"), KIND) is None
    assert rule.check(row("often hunter"), KIND) == "'hunter' is not known as a comparative"


@pytest.mark.slow
def test_a_pipeline_without_a_tagger_is_refused(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(RecipeError, match="neither a tagger nor a morphologizer"):
        ComparativeForm(model=str(tmp_path / "blank"))


def test_a_pipeline_that_is_not_there_is_named() -> None:
    pytest.importorskip("spacy")
    with pytest.raises(RecipeError, match="model 'en_no_such_model'"):
        ComparativeForm(model="en_no_such_model")
