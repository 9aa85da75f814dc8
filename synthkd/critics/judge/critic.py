"""The critic `judge`: a language model's verdicts on candidates, calibrated on labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.critics.base import CriticModel, Labels, Missing, Scores
from synthkd.critics.calibration.probability import Calibrator, calibrator_from, fit_calibrator
from synthkd.critics.files import ARRAYS, CONFIG, read_files, write_files
from synthkd.critics.judge.client import JudgeClient, JudgeQuestion, Replies
from synthkd.critics.judge.prompt import JudgePrompt
from synthkd.critics.judge.settings import (
    JudgeSettings,
    client_for_saved_judge,
    public_identity,
    saved_sampling,
)
from synthkd.critics.judge.verdict import UNREADABLE, Reading, read_verdict
from synthkd.critics.judge.verdict_forms import FORMS, Form, find_form
from synthkd.errors import CriticError
from synthkd.finish_reasons import Finish, meaning_of
from synthkd.kinds.base import Kind
from synthkd.options import BaseOptions
from synthkd.recipe.published_values import public_name
from synthkd.reporting.safe_text import markdown_code
from synthkd.requests import Completion
from synthkd.secrets import find_cleartext_secret

VERSION = 2
#: Rows rendered and sent at a time.
_SLICE = 16_384
#: Readable labelled rows from which `auto` fits isotonic steps instead of Platt's two numbers.
MANY = 1_000
TEMPLATE = "template.j2"
#: Largest size of a saved template, in bytes.
_LONGEST = 1 << 18
_PLATT = {"platt": Array("float64", (3,))}
_ISOTONIC = {
    "isotonic_scores": Array("float64", ("knots",)),
    "isotonic_values": Array("float64", ("knots",), 0, 1),
}
#: Characters of an unreadable reply in an error.
_SHOWN = 60
#: Characters of an unreadable reply in the reason of an outcome.
_QUOTED = 120
#: Outcome of a row with a readable verdict, and of a row that the judge's server refused.
READ, WITHHELD = "read", "withheld"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a judge on one row.

    Attributes:
        outcome: `READ`; `UNREADABLE` if no reply can be read; `WITHHELD` if the server refused the
            row for good, for instance since its prompt is too long.
        raw: Mean worth of the readable replies; None if there is none.
        readings: Each reply as it was read.
        reason: Why there is no verdict.
    """

    outcome: str
    raw: float | None
    readings: tuple[Reading, ...]
    reason: str = ""


class JudgeCritic(CriticModel):
    """A language model's verdicts on candidates, calibrated on labels.

    `score` requests only replies that the journal lacks: scoring a row again costs nothing. A row
    without a readable verdict has no score but an outcome of its own, `UNREADABLE` or `WITHHELD`,
    with its reason (`missing`).
    """

    name: ClassVar[str] = "judge"
    load_options: ClassVar[frozenset[str]] = frozenset({"teacher", "journal", "limits", "folder"})
    asks = True

    class Options(BaseOptions):
        teacher: Any = Field(
            None,
            description="Required: a teacher part as in a recipe (backend, model, base_url …).",
        )
        template: str | Path = Field("judge/yes-no", description="Template of the judge's prompt.")
        form: str = Field("yes-no", description=f"Form of the verdict, of: {', '.join(FORMS)}.")
        samples: int = Field(1, ge=1, description="Number of replies that are averaged.")
        columns: tuple[str, ...] = Field(
            (), description="Columns that the template needs beside the kind's, such as `source`."
        )
        journal: Any = Field(
            "judge.sqlite",
            description="Journal of the replies: a path, or an open `Journal` in Python.",
        )
        limits: dict[str, Any] | None = Field(None, description="A recipe's limits.")
        calibration: Literal["auto", "platt", "isotonic"] = Field(
            "auto", description="`auto` picks by the number of labels."
        )
        folder: str | Path = Field(".", description="Start of relative paths.")

    options: Options

    def __init__(
        self, kind: Kind, teacher: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(kind, teacher=teacher, **options)
        given = self.options
        if not teacher or not isinstance(teacher, Mapping):
            raise CriticError(
                "the judge critic needs its option `teacher`: backend and model, as in a recipe's"
                " teacher part"
            )
        if secret := find_cleartext_secret(teacher, "teacher"):
            raise CriticError(f"judge: {secret[0]}: {secret[1]}")
        self.teacher, self.samples = dict(teacher), given.samples
        self.limits = dict(given.limits or {})
        self.template, self.calibration = str(given.template), given.calibration
        self.form: Form = find_form(given.form)
        self.prompt = JudgePrompt.load(self.template, kind, given.columns, Path(given.folder))
        self.journal = given.journal
        self._client: JudgeClient | None = JudgeClient(
            self.teacher, self.journal, samples=self.samples, chat=self.prompt.chat,
            limits=self.limits, folder=given.folder,
        )  # fmt: skip
        self._settings: JudgeSettings | None = None
        self.scale: Calibrator | None = None
        #: Outcomes of all rows scored or fitted so far.
        self.counts: Counter[str] = Counter()
        self._left_out = 0

    @property
    def client(self) -> JudgeClient:
        """Client of the judge's model.

        Raises `CriticError` for a loaded judge without a teacher part.
        """
        if self._client is None:
            assert self._settings is not None
            raise CriticError(self._settings.unnamed())
        return self._client

    @property
    def identity(self) -> str:
        """Identity of the model that the critic was calibrated on, without an address."""
        if self._settings is not None:
            return self._settings.identity
        return public_identity(self.client)

    @property
    def note(self) -> str:
        """Markdown about the judge for the critic's card."""
        left_out = (
            f"{self._left_out:,} labelled training rows had no readable verdict."
            if self._left_out
            else ""
        )
        replies = "one reply" if self.samples == 1 else f"the mean of {self.samples} replies"
        return (
            f"## The judge\n\n{markdown_code(self.identity)} was asked with the template"
            f" {markdown_code(public_name(self.template))}; a verdict has the form"
            f" {markdown_code(self.form.name)} and is"
            f" {replies}. {left_out}".rstrip()
        )

    # Verdicts

    def verdicts(self, batch: pa.RecordBatch | pa.Table) -> list[Verdict]:
        """Return a verdict for each row; replies that the journal lacks are requested."""
        return list(self._verdicts(batch))

    def missing(self, rows: pa.Table) -> list[Missing]:
        """Explain rows without a readable verdict; their replies are read from the journal."""
        return [Missing(verdict.outcome, _reason(verdict)) for verdict in self._answers(rows)]

    def _verdicts(self, batch: pa.RecordBatch | pa.Table) -> Iterator[Verdict]:
        for verdict in self._answers(batch):
            self.counts[verdict.outcome] += 1
            yield verdict

    def _answers(self, batch: pa.RecordBatch | pa.Table) -> Iterator[Verdict]:
        for start in range(0, batch.num_rows, _SLICE):
            questions = [
                self._question(row) for row in self.prompt.rows(batch.slice(start, _SLICE))
            ]
            for replies in self.client.ask(questions):
                yield combine_replies(replies, self.form)

    def _question(self, row: Mapping[str, Any]) -> JudgeQuestion:
        return JudgeQuestion(
            str(row.get("id") or self.kind.identity(row)), self.prompt.messages(row)
        )

    # The contract

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Request verdicts on the labelled rows and calibrate them, without need of groups."""
        labels = np.asarray(labels, dtype=bool)
        verdicts = self.verdicts(rows)
        raw = _raws(verdicts)
        scored = ~np.isnan(raw)
        self._left_out = int((~scored).sum())
        if not scored.any():
            reasons = Counter(verdict.reason for verdict in verdicts)
            why = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            raise CriticError(
                f"none of the {len(raw):,} verdicts on the labelled rows can be read as"
                f" {self.form.name!r} ({why}){_example(verdicts)}; correct the template or"
                " teacher.sampling.max_tokens, or use another model"
            )
        if labels[scored].all() or not labels[scored].any():
            raise CriticError(
                "the labelled rows with a readable verdict are all valid or all invalid; label more"
            )
        part = None if weights is None else np.asarray(weights)[scored]
        many = "isotonic" if scored.sum() >= MANY else "platt"
        method = many if self.calibration == "auto" else self.calibration
        self.scale = fit_calibrator(method, raw[scored], labels[scored], part)

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        if self.scale is None:
            raise CriticError("this critic was not trained yet: its verdicts are not calibrated")
        raw = _raws(self._verdicts(batch))
        scored = ~np.isnan(raw)
        scores = np.full(len(raw), np.nan)
        scores[scored] = self.scale(raw[scored])
        return scores

    def save(self, folder: Path) -> None:
        if self.scale is None:
            raise CriticError("this critic was not trained yet; there is nothing to save")
        head = self.prompt.prompt.head.model_dump(exclude_defaults=True)
        if self.prompt.prompt.needs_files:
            raise CriticError(
                f"the template {self.template!r} includes other files, and a saved judge holds one"
                " file: copy their text into it"
            )
        write_template(folder / TEMPLATE, head, self.prompt.prompt.source)
        if self._settings is not None:
            named = {"backend", "model", "identity", "chat", "sampling", "other"}
            settings = self._settings.model_dump(include=named, exclude_unset=True)
        else:
            part = self.client.recipe.teacher
            sampling, other = saved_sampling(part.sampling)
            settings = {
                "backend": part.backend,
                "model": None if part.model is None else public_name(part.model),
                "identity": self.identity, "chat": part.chat, "sampling": sampling, "other": other,
            }  # fmt: skip
        config = {
            "critic": self.name, "version": VERSION, "kind": self.kind.name,
            "columns": list(self.prompt.columns),
            "template": public_name(self.template), "template_hash": self.prompt.hash,
            "form": self.form.name,
            "samples": self.samples, "calibration": self.calibration, "left_out": self._left_out,
            **settings,
        }  # fmt: skip
        write_files(folder, self.scale.arrays(), config)

    @classmethod
    def located(cls, options: Mapping[str, Any], resolve: Callable[[str], Path]) -> dict[str, Any]:
        return {"folder": str(resolve("."))} | super().located(options, resolve)

    @classmethod
    def unnamed(cls, folder: Path, options: Mapping[str, Any]) -> str | None:
        return (
            None
            if options.get("teacher")
            else "asks a language model, and its folder does not name the server"
        )

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> JudgeCritic:
        """Load a judge. A folder names model and identity.

        Without ``teacher``, which names the server, nothing is sent.

        ``journal``, ``limits`` and ``folder`` are as in the constructor, and never come from the
        critic's folder.
        """
        arrays, settings = read_files(folder, cls.name, VERSION, JudgeSettings)
        if settings.kind != kind.name:
            raise CriticError(
                f"{folder}: trained for the kind {settings.kind!r}, not {kind.name!r}"
            )
        expected = _PLATT if "platt" in arrays else _ISOTONIC
        check_arrays(folder / ARRAYS, arrays, expected, CRITIC_ARTIFACT)
        critic = cls.__new__(cls)
        critic.kind = kind
        critic._settings, critic.samples = settings, settings.samples
        critic.template, critic.calibration = settings.template, settings.calibration
        critic.form, critic.prompt = find_form(settings.form), _prompt(folder, kind, settings)
        critic.journal, critic.limits = (
            options.get("journal", "judge.sqlite"),
            dict(options.get("limits") or {}),
        )
        critic.counts, critic._left_out = Counter(), settings.left_out
        critic.scale = calibrator_from(arrays)
        teacher = options.get("teacher")
        critic.teacher, critic._client = dict(teacher or {}), None
        if teacher is not None:
            if secret := find_cleartext_secret(teacher, "teacher"):
                raise CriticError(f"judge: {secret[0]}: {secret[1]}")
            critic._client = client_for_saved_judge(
                settings, folder / CONFIG, teacher, critic.journal, critic.prompt.chat,
                critic.limits,
                options.get("folder", "."),
            )  # fmt: skip
        return critic


def _prompt(folder: Path, kind: Kind, settings: JudgeSettings) -> JudgePrompt:
    """Load the saved template: one file, which includes no other."""
    path = folder / TEMPLATE
    if not path.is_file() or path.stat().st_size > _LONGEST:
        raise CRITIC_ARTIFACT.refuse(path, f"missing, or larger than {_LONGEST:,} bytes")
    prompt = JudgePrompt.load(str(path.resolve()), kind, settings.columns)
    if prompt.hash != settings.template_hash:
        raise CRITIC_ARTIFACT.refuse(path, "altered since the critic was trained")
    if prompt.prompt.needs_files:
        raise CRITIC_ARTIFACT.refuse(
            path, "it includes other files, which a critic's template may not"
        )
    return prompt


def _raws(verdicts: Iterable[Verdict]) -> Scores:
    """Return raw worths (n,); NaN for a row without a verdict."""
    raws = [verdict.raw for verdict in verdicts]
    return np.array([np.nan if raw is None else raw for raw in raws], dtype=np.float64)


def _example(verdicts: Sequence[Verdict]) -> str:
    """Quote the beginning of a reply."""
    texts = [reading.text.strip() for verdict in verdicts for reading in verdict.readings]
    text = next((text for text in texts if text), "")
    return f", such as {text[:_SHOWN]!r}" if text else ""


def _reason(verdict: Verdict) -> str:
    """Return why a row has no verdict, with the beginning of the reply."""
    text = " ".join(
        next((text for reading in verdict.readings if (text := reading.text.strip())), "").split()
    )
    shown = text if len(text) <= _QUOTED else text[:_QUOTED] + " …"
    return verdict.reason + (f": {shown!r}" if shown else "")


def combine_replies(replies: Replies, form: Form) -> Verdict:
    """Average the readable replies about one row."""
    readings = tuple(
        read_verdict(reply.text, form, reply.first_tokens)
        for reply in replies
        if isinstance(reply, Completion)
    )
    worths = [reading.worth for reading in readings if reading.worth is not None]
    if worths:
        return Verdict(READ, float(np.mean(worths)), readings)
    if readings:
        cut = any(
            isinstance(reply, Completion) and meaning_of(reply.finish_reason) is Finish.TRUNCATED
            for reply in replies
        )
        return Verdict(
            UNREADABLE, None, readings, "cut at max_tokens" if cut else readings[0].reason
        )
    reasons = sorted({reply.reason for reply in replies if not isinstance(reply, Completion)})
    return Verdict(WITHHELD, None, (), ", ".join(reasons))


def write_template(path: Path, head: dict[str, Any], source: str) -> None:
    """Write a template with its front matter, as `load_prompt` reads it."""
    import yaml

    path.write_text(
        f"---\n{yaml.safe_dump(head, allow_unicode=True)}---\n{source}", encoding="utf-8"
    )
