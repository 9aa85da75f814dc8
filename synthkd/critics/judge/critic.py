"""The critic `judge`: a language model is asked about each candidate, and its answers are set against labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synthkd.critics.base import Critic, Labels, Scores
from synthkd.critics.calibration.probability import Calibrator, calibrator_from, fit_calibrator
from synthkd.critics.files import read_files, write_files
from synthkd.critics.judge.ask import Asker, Question, Replies
from synthkd.critics.judge.forms import Form, find_form
from synthkd.critics.judge.prompt import JudgePrompt
from synthkd.critics.judge.verdict import UNREADABLE, Reading, read_verdict
from synthkd.display import markdown_code
from synthkd.errors import CriticError
from synthkd.journal import Journal
from synthkd.kinds.base import Kind
from synthkd.requests import Completion
from synthkd.secrets import clear_secret

#: Rows that are rendered and asked about at a time.
_SLICE = 16_384
#: Readable labelled rows from which `auto` learns isotonic steps instead of Platt's two numbers.
MANY = 1_000
TEMPLATE = "template.j2"
#: Characters of an unreadable reply that an error shows.
_SHOWN = 60
#: Where a judge's verdict on a row stands: read, or the fate of a row without one.
READ, WITHHELD = "read", "withheld"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the replies about one row come to. ``raw`` is the mean worth of those that can be read.

    ``fate`` is `READ`; `UNREADABLE`, where replies came and none can be read; or `WITHHELD`, where the judge
    refused the row for good (its prompt was too long, say). ``reason`` says why; the texts stay in ``readings``.
    """

    fate: str
    raw: float | None
    readings: tuple[Reading, ...]
    reason: str = ""


class JudgeCritic(Critic):
    """Asks a language model for a verdict on each candidate, and learns from labels what its answers are worth.

    ``teacher`` is a recipe's teacher part: backend, model, base_url and so on. ``template`` is what the judge
    reads, ``form`` the form of its verdict, ``samples`` how many replies vote, ``columns`` those that the template
    needs beside the kind's (such as ``source``). ``journal`` keeps the replies: a path, or an open `Journal`.

    `score` asks what is not in the journal, and nothing else: scoring a row again costs nothing. A row without a
    readable verdict scores 0, since nothing speaks for it; `counts` and `verdicts` tell which these are.
    """

    name: ClassVar[str] = "judge"

    def __init__(
        self,
        kind: Kind,
        teacher: Mapping[str, Any] | None = None,
        template: str = "judge/yes-no",
        form: str = "yes-no",
        samples: int = 1,
        columns: Sequence[str] = (),
        journal: str | Path | Journal = "judge.sqlite",
        limits: Mapping[str, Any] | None = None,
        calibration: str = "auto",
        folder: str | Path = ".",
    ) -> None:
        super().__init__(kind)
        if not teacher or not isinstance(teacher, Mapping):
            raise CriticError(
                "the judge critic needs its option `teacher`: backend and model, as in a recipe's teacher part"
            )
        if found := clear_secret(teacher, "teacher"):
            raise CriticError(f"judge: {found[0]}: {found[1]}")
        self.teacher, self.limits, self.samples = dict(teacher), dict(limits or {}), samples
        self.template, self.calibration = template, calibration
        self.form: Form = find_form(form)
        self.prompt = JudgePrompt.load(template, kind, columns, Path(folder))
        self.journal = journal
        self.asker = Asker(
            self.teacher, journal, samples=samples, chat=self.prompt.chat, limits=self.limits, folder=folder
        )  # fmt: skip
        if calibration not in ("auto", "platt", "isotonic"):
            raise CriticError(f"calibration {calibration!r} is unknown; there are auto, platt and isotonic")
        self.scale: Calibrator | None = None
        #: Fates of the rows that were scored or fitted, over the critic's life.
        self.counts: Counter[str] = Counter()
        self._left_out = 0

    @property
    def note(self) -> str:
        """What the critic's card says of the judge."""
        said = f"{self._left_out:,} labelled training rows had no readable verdict." if self._left_out else ""
        replies = "one reply" if self.samples == 1 else f"the mean of {self.samples} replies"
        return (
            f"## The judge\n\n{markdown_code(self.asker.identity)} was asked with the template {markdown_code(self.template)}; a verdict has the"
            f" form {markdown_code(self.form.name)} and is {replies}. {said}".rstrip()
        )

    # Verdicts

    def verdicts(self, batch: pa.RecordBatch | pa.Table) -> list[Verdict]:
        """A verdict for each row, asked for where the journal has none."""
        return list(self._verdicts(batch))

    def _verdicts(self, batch: pa.RecordBatch | pa.Table) -> Iterator[Verdict]:
        for start in range(0, batch.num_rows, _SLICE):
            questions = [self._question(row) for row in self.prompt.rows(batch.slice(start, _SLICE))]
            for replies in self.asker.ask(questions):
                verdict = vote(replies, self.form)
                self.counts[verdict.fate] += 1
                yield verdict

    def _question(self, row: Mapping[str, Any]) -> Question:
        return Question(str(row.get("id") or self.kind.identity(row)), self.prompt.messages(row))

    # The contract

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Ask about the labelled rows, and learn what the answers are worth. ``groups`` are not needed: two numbers,
        or a rising curve, are all that is learned."""
        labels = np.asarray(labels, dtype=bool)
        verdicts = self.verdicts(rows)
        raw = _raws(verdicts)
        known = ~np.isnan(raw)
        self._left_out = int((~known).sum())
        if not known.any():
            reasons = Counter(verdict.reason for verdict in verdicts)
            why = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            raise CriticError(
                f"none of the {len(raw):,} verdicts on the labelled rows can be read as {self.form.name!r}"
                f" ({why}){_example(verdicts)}; mend the template or teacher.sampling.max_tokens, or ask another model"
            )
        if labels[known].all() or not labels[known].any():
            raise CriticError("the labelled rows whose verdict can be read are all of one sort; label more")
        part = None if weights is None else np.asarray(weights)[known]
        many = "isotonic" if known.sum() >= MANY else "platt"
        method = many if self.calibration == "auto" else self.calibration
        self.scale = fit_calibrator(method, raw[known], labels[known], part)

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        if self.scale is None:
            raise CriticError("this critic was not trained yet: its answers were not set against labels")
        raw = _raws(self._verdicts(batch))
        known = ~np.isnan(raw)
        scores = np.zeros(len(raw))
        scores[known] = self.scale(raw[known])
        return scores

    def save(self, folder: Path) -> None:
        if self.scale is None:
            raise CriticError("this critic was not trained yet; there is nothing to save")
        head = self.prompt.prompt.head.model_dump(exclude_defaults=True)
        write_template(folder / TEMPLATE, head, self.prompt.prompt.source)
        journal = self.journal.path if isinstance(self.journal, Journal) else self.journal
        config = {
            "critic": self.name, "version": 1, "kind": self.kind.name,
            "template": self.template, "template_hash": self.prompt.hash, "form": self.form.name,
            "samples": self.samples, "columns": list(self.prompt.columns), "teacher": self.teacher,
            "limits": self.limits, "journal": str(journal), "calibration": self.calibration,
            "identity": self.asker.identity, "left_out": self._left_out,
        }  # fmt: skip
        write_files(folder, self.scale.arrays(), config)

    @classmethod
    def load(cls, folder: Path, kind: Kind) -> JudgeCritic:
        keys = {
            "template", "template_hash", "form", "samples", "columns", "teacher", "limits", "journal",
            "calibration", "identity", "left_out", "kind",
        }  # fmt: skip
        arrays, config = read_files(folder, cls.name, 1, keys)
        if config["kind"] != kind.name:
            raise CriticError(f"{folder}: trained for the kind {config['kind']!r}, not {kind.name!r}")
        critic = cls(
            kind, config["teacher"], str((folder / TEMPLATE).resolve()), config["form"], config["samples"],
            config["columns"], config["journal"], config["limits"], config["calibration"],
        )  # fmt: skip
        critic.template, critic._left_out = config["template"], config["left_out"]
        if critic.prompt.hash != config["template_hash"]:
            raise CriticError(f"{folder / TEMPLATE}: altered since the critic was trained; train it again")
        if critic.asker.identity != config["identity"]:
            raise CriticError(
                f"{folder}: calibrated on the answers of {config['identity']}, and {critic.asker.identity} would"
                " answer now; train the critic again"
            )
        critic.scale = calibrator_from(arrays)
        return critic


def _raws(verdicts: Iterable[Verdict]) -> Scores:
    """(n,) raw shares; NaN where there is no verdict."""
    found = [verdict.raw for verdict in verdicts]
    return np.array([np.nan if raw is None else raw for raw in found], dtype=np.float64)


def _example(verdicts: Sequence[Verdict]) -> str:
    """The beginning of a reply, to see at once what the judge says."""
    texts = [reading.text.strip() for verdict in verdicts for reading in verdict.readings]
    text = next((text for text in texts if text), "")
    return f", such as {text[:_SHOWN]!r}" if text else ""


def vote(replies: Replies, form: Form) -> Verdict:
    """The mean over the replies that can be read."""
    readings = tuple(
        read_verdict(reply.text, form, reply.first_tokens)
        for reply in replies
        if isinstance(reply, Completion)
    )
    worths = [reading.worth for reading in readings if reading.worth is not None]
    if worths:
        return Verdict(READ, float(np.mean(worths)), readings)
    if readings:
        cut = any(isinstance(reply, Completion) and reply.finish_reason == "length" for reply in replies)
        return Verdict(UNREADABLE, None, readings, "cut at max_tokens" if cut else readings[0].reason)
    reasons = sorted({reply.reason for reply in replies if not isinstance(reply, Completion)})
    return Verdict(WITHHELD, None, (), ", ".join(reasons))


def write_template(path: Path, head: dict[str, Any], source: str) -> None:
    """A template with its head, as `load_prompt` reads it."""
    import yaml

    path.write_text(f"---\n{yaml.safe_dump(head, allow_unicode=True)}---\n{source}", encoding="utf-8")
