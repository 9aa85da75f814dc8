"""A tagger on spaCy's trainer: a small transition-based network, trained from nothing.

The folder has its weights as arrays and its moves as JSON; the network is built anew when it is
loaded, so that no config of spaCy's is read.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.arrays import Array, Arrays, check_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.encoders.fine_tuning import warmup_factor
from synthkd.errors import TrainingError
from synthkd.students.metrics.entities import count_spans, micro_scores
from synthkd.students.spans import Spans, TaggedTexts, TypedSpan
from synthkd.students.taggers.options import TaggerOptions, TaggingHistory
from synthkd.students.taggers.units import Places, divided_by_blanks, text_units, unit_labels

#: Highest learning rate; the network needs a higher one than an encoder.
LR = 1e-3
#: Marks of spaCy's tags, by (begins, ends).
_MARKS = {(True, True): "U", (True, False): "B", (False, True): "L", (False, False): "I"}


@dataclass
class SpacyTagger:
    """A pipeline of spaCy's entity recogniser, on units that the tagger cuts itself."""

    pipeline: Any
    types: tuple[str, ...]
    by_blanks: bool
    history: TaggingHistory = field(default_factory=TaggingHistory)
    error: TrainingError | None = None

    @classmethod
    def new(cls, types: Sequence[str], by_blanks: bool, seed: int = 0) -> SpacyTagger:
        """Build a network with random weights."""
        import spacy
        from spacy.training import Example

        spacy.util.fix_random_seed(seed)
        pipeline = spacy.blank("xx")
        recogniser = pipeline.add_pipe("ner")
        for name in types:
            recogniser.add_label(name)
        tagger = cls(pipeline, tuple(types), by_blanks)
        # The sizes of the layers follow from the types alone.
        first = tagger.document("a", text_units("a", by_blanks))
        pipeline.initialize(lambda: [Example.from_dict(first, {"entities": ["O"]})])
        return tagger

    def document(self, text: str, units: Places) -> Any:
        """Return a document whose tokens are the units."""
        from spacy.tokens import Doc

        words = [text[start:end] for start, end in units]
        spaces = [
            after is not None and end < after[0]
            for (_, end), after in zip(units, [*units[1:], None], strict=True)
        ]
        return Doc(self.pipeline.vocab, words=words, spaces=spaces)

    def example(self, text: str, spans: Spans) -> Any:
        """Return a training example."""
        from spacy.training import Example

        units = text_units(text, self.by_blanks)
        labels = unit_labels(units, spans, self.types).tolist()
        tags = []
        for label, after in zip(labels, [*labels[1:], 0], strict=True):
            begins, ends = label % 2 == 1, after != label + label % 2
            name = self.types[(label - 1) // 2]
            tags.append(f"{_MARKS[begins, ends]}-{name}" if label else "O")
        return Example.from_dict(self.document(text, units), {"entities": tags})

    def spans(self, texts: Sequence[str]) -> list[Spans]:
        """Return the spans of texts; the network gives no probability, so each confidence is 1."""
        places = [text_units(text, self.by_blanks) for text in texts]
        documents = (self.document(text, units) for text, units in zip(texts, places, strict=True))
        return [
            tuple(
                TypedSpan(units[one.start][0], units[one.end - 1][1], one.label_)
                for one in document.ents
            )
            for document, units in zip(self.pipeline.pipe(documents), places, strict=True)
        ]

    def _parameters(self) -> Iterable[tuple[str, Any, str]]:
        """Yield a key, the layer and the name of each array of weights."""
        for number, layer in enumerate(self.pipeline.get_pipe("ner").model.walk()):
            for name in layer.param_names:
                if layer.has_param(name):
                    yield f"{number}.{name}", layer, name

    def arrays(self) -> Arrays:
        """Return a copy of the weights."""
        return {key: np.array(layer.get_param(name)) for key, layer, name in self._parameters()}

    def set_arrays(self, arrays: Arrays) -> None:
        """Replace the weights."""
        for key, layer, name in self._parameters():
            layer.set_param(name, arrays[key])

    def settings(self) -> dict[str, Any]:
        """Return what the folder records besides the options."""
        moves = self.pipeline.get_pipe("ner").moves.labels
        return {
            "max_length": 0,
            "by_blanks": self.by_blanks,
            "moves": {str(action): dict(labels) for action, labels in moves.items()},
        }

    def save(self, folder: Path) -> Arrays:
        """Return the weights; no file besides them is needed."""
        return self.arrays()

    @classmethod
    def load(
        cls,
        types: Sequence[str],
        by_blanks: bool,
        moves: dict[str, dict[str, int]],
        arrays: Arrays,
        path: Path,
    ) -> SpacyTagger:
        """Build the network of a folder again; ``path`` is the file of the arrays."""
        tagger = cls.new(types, by_blanks)
        own = {name for labels in tagger.settings()["moves"].values() for name in labels}
        if {name for labels in moves.values() for name in labels} - own:
            raise STUDENT_ARTIFACT.refuse(path.parent, "its moves are of other types")
        expected = {key: Array("float32", value.shape) for key, value in tagger.arrays().items()}
        check_arrays(path, arrays, expected, STUDENT_ARTIFACT)
        recogniser = tagger.pipeline.get_pipe("ner")
        recogniser.moves.initialize_actions({int(key): value for key, value in moves.items()})
        tagger.set_arrays(arrays)
        return tagger


def train_spacy(
    options: TaggerOptions,
    rows: TaggedTexts,
    types: Sequence[str],
    validation: TaggedTexts | None,
    seed: int,
) -> SpacyTagger:
    """Train spaCy's network; `validation` chooses the epoch by its F1.

    Raises:
        TrainingError: The loss is not finite.
    """
    tagger = SpacyTagger.new(types, divided_by_blanks(rows), seed)
    examples = [
        tagger.example(text, spans) for text, spans in zip(rows.texts, rows.spans, strict=True)
    ]
    optimizer = tagger.pipeline.create_optimizer()
    order, step = random.Random(seed), 0  # noqa: S311 (the order of rows)
    steps = -(-len(examples) // options.batch_size) * options.epochs
    history, best, weights = tagger.history, -1.0, tagger.arrays()
    for epoch in range(1, options.epochs + 1):
        order.shuffle(examples)
        losses: dict[str, float] = {}
        for start in range(0, len(examples), options.batch_size):
            optimizer.learn_rate = LR * warmup_factor(step, steps, options.warmup)
            step += 1
            batch = examples[start : start + options.batch_size]
            tagger.pipeline.update(batch, drop=options.dropout, sgd=optimizer, losses=losses)
        history.losses.append(float(losses["ner"]) / len(examples))
        if not np.isfinite(history.losses[-1]):
            raise TrainingError(f"epoch {epoch}: the loss of spaCy's network is not finite")
        f1 = 0.0
        if validation is not None and len(validation):
            counts = count_spans(validation.spans, tagger.spans(validation.texts))
            f1 = micro_scores(counts.sum(0))[2]
            history.validation.append(f1)
        if not history.validation or f1 > best:
            best, weights, history.kept = f1, tagger.arrays(), epoch
        if epoch - history.kept >= options.patience:
            break
    tagger.set_arrays(weights)
    return tagger
