"""The jobs that are killed: each verb on a small folder with its inputs."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.kills.loop_texts import WORDS, text_of, write
from benchmarks.kills.step_texts import answer as answer_of_step
from benchmarks.kills.step_texts import steps_recipe
from synthkd.keys import seed_from
from synthkd.recipe import Recipe

CONCURRENCY = 8
#: Keys of a session of labelling: accept, reject, unsure.
VERDICTS = "aruaarauraar"
_THINGS = "cat dog hammer boat tree lamp knife kettle road chair glass stone"


@dataclass(frozen=True)
class Job:
    """A verb with its arguments, and ``prepare``, which makes its folder.

    ``modules`` are imported before the fork. ``buys`` is True if the verb asks the server,
    ``typed`` if verdicts are typed on a terminal, ``heavy`` if it needs torch, which takes many
    seconds to import.
    """

    name: str
    arguments: Sequence[str]
    prepare: Callable[[Path, str], None]
    modules: Sequence[str] = ()
    buys: bool = False
    typed: bool = False
    heavy: bool = False


def answer(prompt: str, index: int, seed: int) -> str:
    """Answer as the teacher of all jobs.

    Two words that repeat now and then, the texts that a loop asks for, or the records of steps.
    """
    if "text: " in prompt:
        return answer_of_step(prompt, index, seed)
    rng = random.Random(seed_from(prompt, index, seed))
    if "Write" in prompt:
        return write(prompt, index, seed)
    return " ".join(rng.sample(_THINGS.split(), 2))


def _table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _recipe(folder: Path, raw: dict[str, Any]) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return Recipe.load(path)


def _triples(folder: Path, url: str, heads: int, samples: int = 2, **parts: Any) -> Recipe:
    """Return a recipe of triples with near-duplicate search.

    The search keeps its rows in a temporary folder.
    """
    _table(
        folder / "inputs.csv", [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(heads)]
    )
    raw = {
        "name": "kill",
        "inputs": {"path": "inputs.csv"},
        "kind": {"name": "triple", "relations": "everyday"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "concurrency": CONCURRENCY,
            "identity": "fake", "sampling": {"n": samples},
        },
        "rules": ["empty", "self_loop", {"near_duplicate": {"threshold": 0.9}}],
        "corpus": {"path": "corpus", "rows_per_file": 100},
    }  # fmt: skip
    return _recipe(folder, raw | parts)


def _run(folder: Path, url: str) -> None:
    _triples(folder, url, 80)


def _steps(folder: Path, url: str) -> None:
    raw = steps_recipe(folder, url, 60)
    raw["teacher"] |= {"concurrency": CONCURRENCY, "identity": "fake"}
    _recipe(folder, raw)


def _recorded(folder: Path, url: str) -> None:
    rows = [
        {"input_id": f"r{i}", "sample_index": k, "text": answer(f"{i}", k, 0)}
        for i in range(800)
        for k in range(2)
    ]
    _table(folder / "recorded.csv", rows)
    _triples(
        folder, url, 800,
        inputs={"path": "inputs.csv", "id": "id"},
        teacher={"backend": "recorded", "path": "recorded.csv", "sampling": {"n": 2}},
    )  # fmt: skip
    inputs = [{"id": f"r{i}", "head": f"thing {i}", "relation": "UsedFor"} for i in range(800)]
    _table(folder / "inputs.csv", inputs)


def _generated(folder: Path, url: str) -> None:
    from synthkd.pipeline import generate

    _recorded(folder, url)
    generate(Recipe.load(folder / "recipe.yaml"), quiet=True)


def _filtered(folder: Path, url: str) -> None:
    from synthkd.pipeline import filter

    _generated(folder, url)
    filter(Recipe.load(folder / "recipe.yaml"), quiet=True)


def _labels(folder: Path, _url: str) -> None:
    rng = random.Random(1)
    things = _THINGS.split()
    rows = []
    for i in range(800):
        head, tail = rng.sample(things, 2)
        rows.append(
            {
                "head": f"{head} {i % 97}", "relation": "UsedFor", "tail": tail,
                "label": int((things.index(tail) > 5) != (rng.random() < 0.1)),
            }
        )  # fmt: skip
    _table(folder / "labels.csv", rows)


def _critic(folder: Path, url: str) -> None:
    from synthkd.critics.labels import read_labels
    from synthkd.critics.train import train_critic
    from synthkd.kinds.triple import TripleKind

    _labels(folder, url)
    kind = TripleKind()
    train_critic(kind, read_labels(folder / "labels.csv", kind), "linear", folder / "critic", {})
    rng = random.Random(2)
    rows = []
    # Enough rows for more than one part of a scoring.
    for i in range(80_000):
        head, tail = rng.sample(_THINGS.split(), 2)
        rows.append({"head": f"{head} {i}", "relation": "UsedFor", "tail": tail})
    _table(folder / "rows.csv", rows)


def _student(folder: Path, _url: str) -> None:
    for name, each, seed in (("rows.csv", 300, 1), ("test.csv", 60, 2)):
        rng = random.Random(seed)
        _table(
            folder / name,
            [{"text": text_of(label, rng), "label": label} for label in WORDS for _ in range(each)],
        )


def _encoder(folder: Path, url: str) -> None:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    _student(folder, url)
    base = folder / "bert"
    base.mkdir()
    letters = [letter for c in "abcdefghijklmnopqrstuvwxyz0123456789" for letter in (c, f"##{c}")]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    (base / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(vocab=str(base / "vocab.txt")).save_pretrained(base)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(base)


def _generator(folder: Path, _url: str) -> None:
    things = _THINGS.split()
    _table(
        folder / "rows.csv",
        [
            {"head": f"{one} {other}", "relation": "UsedFor", "tail": f"using a {one}"}
            for one in things
            for other in things
        ],
    )


def _loop(folder: Path, url: str) -> None:
    for name, each, seed, own in (("start", 2, 1, 1), ("validation", 6, 2, 3), ("test", 8, 3, 3)):
        rng = random.Random(seed)
        _table(
            folder / f"{name}.csv",
            [
                {"text": text_of(label, rng, own), "label": label}
                for label in WORDS
                for _ in range(each)
            ],
        )
    sets = {name: {"path": f"{name}.csv"} for name in ("start", "validation", "test")}
    raw = {
        "name": "loop",
        "inputs": {"count": 1},
        "kind": {"name": "labelled_text", "several": True},
        "prompt": {"template": "labelled_text/pgkd"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "identity": "fake",
            "concurrency": 2,
            "sampling": {"max_tokens": 500}, "max_attempts": 1,
        },
        "rules": ["empty", "label_known"],
        "student": {"name": "linear", "options": {"features": "hashing", "bits": 10}},
        "loop": {**sets, "rounds": 2, "rows": 12, "patience": 9},
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    _recipe(folder, raw)


def _pool(folder: Path, _url: str) -> None:
    rng = random.Random(3)
    rows = [
        {"id": f"r{i}", "head": f"head{i}", "relation": "UsedFor", "tail": f"tail{i}",
        "score": round(rng.random(), 4)}
        for i in range(60)
    ]  # fmt: skip
    _table(folder / "rows.csv", rows)


def _export(folder: Path, _url: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from synthkd.journal.exchange import SCHEMA
    from synthkd.requests import Request, Sampling

    sampling, rows = Sampling(n=2), []
    for i in range(8_000):
        request = Request("fake", ({"role": "user", "content": str(i)},), sampling, (0, 1), str(i))
        rows += [
            {
                "request_id": request.request_id, "sample_index": k, "text": answer(str(i), k, 0),
                "finish_reason": "stop", "prompt_tokens": 5, "completion_tokens": 2,
                "model": "fake",
                "created": 1.0, "identity": "fake", "messages": request.messages_json,
                "sampling": sampling.json,
            }
            for k in range(2)
        ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "export.parquet")


# What a verb would import after the fork; pyarrow imports pandas if it is installed.
_BASE = (
    "pydantic",
    "typer.rich_utils",
    "synthkd.recipe",
    "synthkd.journal",
    "synthkd.journal.exchange",
    "pyarrow.parquet",
)
_RUN = (*_BASE, "synthkd.pipeline", "synthkd.stages.filter", "synthkd.corpora.write",
"synthkd.corpora.diversity",
        "synthkd.teachers.remote.transport", "synthkd.teachers.recorded",
        "synthkd.filters.near_duplicates", "synthkd.stages.manifest",
        "synthkd.kinds.triple", "synthkd.kinds.record", "synthkd.steps.run")  # fmt: skip
_CRITIC = (*_BASE, "synthkd.critics.train", "synthkd.critics.score", "synthkd.critics.linear",
"synthkd.kinds.triple",
           "sklearn.linear_model", "safetensors.numpy")  # fmt: skip
_STUDENT = (*_BASE, "synthkd.students.train", "synthkd.students.card",
"synthkd.students.classifiers.linear",
            "sklearn.linear_model", "safetensors.numpy")  # fmt: skip
_LOOP = (
    *_RUN,
    *_STUDENT,
    "synthkd.loops.engine",
    "synthkd.loops.labelled.task",
    "synthkd.kinds.labelled_text.kind",
    "synthkd.filters.labelled_text",
)
_LABEL = (
    *_BASE,
    "synthkd.labels.session",
    "synthkd.labels.weights",
    "synthkd.labels.terminal",
    "synthkd.kinds.triple",
)
_TORCH = (*_STUDENT, "torch", "transformers.trainer", "safetensors.torch")

JOBS = [
    Job("run", ["run", "recipe.yaml"], _run, _RUN, buys=True),
    Job("run-2-workers", ["run", "recipe.yaml", "--workers", "2"], _run, _RUN, buys=True),
    Job("run-steps", ["run", "recipe.yaml"], _steps, _RUN, buys=True),
    Job("run-recorded", ["run", "recipe.yaml"], _recorded, _RUN),
    Job("filter", ["filter", "recipe.yaml"], _generated, _RUN),
    Job("filter-2-workers", ["filter", "recipe.yaml", "--workers", "2"], _generated, _RUN),
    Job("publish", ["publish", "recipe.yaml"], _filtered, _RUN),
    Job("critic-train", ["critic", "train", "labels.csv", "critic"], _labels, _CRITIC),
    Job("critic-score", ["critic", "score", "critic", "rows.csv", "scores.parquet"], _critic,
    _CRITIC),
    Job("student-train", ["student", "train", "rows.csv", "student", "--test", "test.csv"],
    _student, _STUDENT),
    Job("distill", ["distill", "recipe.yaml"], _loop, _LOOP, buys=True),
    Job(
        "label",
        ["label", "rows.csv", "labels.csv", "--annotator", "ann"],
        _pool,
        _LABEL,
        typed=True,
    ),
    Job("journal-import", ["journal", "import", "journal.sqlite", "export.parquet"], _export,
    _BASE),
    Job(
        "encoder-train",
        [
            "student", "train", "rows.csv", "student", "--student", "encoder", "--test", "test.csv",
            "--option", "base=bert", "--option", "epochs=2", "--option", "batch_size=32",
        ],
        _encoder,
        _TORCH,
        heavy=True,
    ),
    Job(
        "generator-train",
        [
            "student", "train", "rows.csv", "student", "--student", "generator", "--kind", "triple",
            "--option", 'base={"layers": 1, "width": 32, "heads": 2, "vocabulary": 330}',
            "--option", "epochs=3", "--option", "batch_size=16", "--option", "device=cpu",
        ],
        _generator,
        _TORCH,
        heavy=True,
    ),
]  # fmt: skip
