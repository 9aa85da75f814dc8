"""The stack: a logistic regression on the logits of any critics, cross-fitted.

A critic's scores on its own training rows are too good, so the combination learns from scores of
rows that the critic did not see, divided by group. Each critic is then trained on all rows, or the
critics of the folds stay as an ensemble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd import plugins
from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import PluginName, Settings, Weight, read_settings
from synthkd.critics.base import CriticModel, Labels, Missing, Scores
from synthkd.critics.ensemble import Ensemble, critic_logits
from synthkd.critics.files import (
    ARRAYS,
    CONFIG,
    CriticSettings,
    check_columns,
    read_files,
    write_files,
)
from synthkd.critics.logistic import row_sums, sigmoid
from synthkd.critics.options import OF_MEMBERS, make_critic, options_of_load, published_options
from synthkd.critics.progress import fit_with_progress
from synthkd.critics.teacher_numbers import COLUMNS
from synthkd.errors import CriticError, nearest, require_extra
from synthkd.keys import fraction
from synthkd.kinds.base import Kind
from synthkd.options import BaseOptions

Spec = str | Mapping[str, Mapping[str, Any] | None]
_VERSION = 1
_Share = Annotated[float, Field(gt=0, lt=1)]


class _Member(Settings):
    name: PluginName
    options: dict[str, Any]


class _Settings(CriticSettings):
    members: Annotated[list[_Member], Field(min_length=1, max_length=100)]
    folds: Annotated[int, Field(ge=1, le=1000)]
    held_out: _Share
    refit: bool
    seed: int
    bias: Weight


class StackCritic(CriticModel):
    """A logistic regression on the logits of other critics."""

    name: ClassVar[str] = "stack"
    load_options: ClassVar[frozenset[str]] = frozenset({OF_MEMBERS})
    #: Of its members, when they are loaded.
    path_options: ClassVar[frozenset[str]] = frozenset({"encoder"})

    class Options(BaseOptions):
        critics: Any = Field(description="Names of critics, or `{name: options}`.")
        folds: int = Field(
            5,
            ge=1,
            description="Trainings of each member for the scores that the combination learns from."
            " With 1, members are trained once, without a share `held_out` of the groups, of which"
            " the combination learns: for expensive members.",
        )
        held_out: float = Field(
            0.2, gt=0, lt=1, description="Share of groups for the combination if `folds` is 1."
        )
        refit: bool = Field(
            True,
            description="Train each member once more on all rows. False keeps the members of all"
            " folds as an ensemble: better for members whose trainings vary (a fine-tuned encoder),"
            " one training less, `folds` times the cost of scoring.",
        )
        seed: int = Field(0, ge=0, description="Seed of the folds.")

    options: Options

    def __init__(self, kind: Kind, critics: Sequence[Spec] | str, **options: Any) -> None:
        require_extra("the stack of critics", "critics", "sklearn", "safetensors")
        super().__init__(kind, critics=critics, **options)
        given = self.options
        if not isinstance(critics, str | Sequence):
            raise CriticError(f"critic 'stack': critics: a list is needed, not {critics!r:.60}")
        self.specs = [
            _spec(entry) for entry in ([critics] if isinstance(critics, str) else critics)
        ]
        if not self.specs:
            raise CriticError("critic 'stack': `critics` names none; give at least one")
        self.folds, self.held_out = given.folds, given.held_out
        self.refit, self.seed = given.refit, given.seed
        self.members = [Ensemble([_made(name, kind, options)]) for name, options in self.specs]
        self._mean = self._scale = self._weights = np.zeros(0)
        self._bias = 0.0
        #: Out-of-fold logits of the rows of `fit` (n, members); NaN for rows that all members were
        #: trained on.
        self.unseen: Scores | None = None

    @classmethod
    def located(cls, options: Mapping[str, Any], resolve: Callable[[str], Path]) -> dict[str, Any]:
        located = super().located(options, resolve)
        if isinstance(critics := options.get("critics"), list):
            members = [_spec(entry) for entry in critics]
            located["critics"] = [
                {name: plugins.find("critics", name).located(own, resolve)} for name, own in members
            ]
        return located

    def work(self, rows: int) -> int:
        share = 1 - self.held_out if self.folds == 1 else 1 - 1 / self.folds
        whole = self.folds > 1 and self.refit
        members = [ensemble.critics[0] for ensemble in self.members]
        return sum(
            self.folds * member.work(int(rows * share)) + (member.work(rows) if whole else 0)
            for member in members
        )

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Learn the combination from out-of-fold scores, and train the members."""
        groups = list(groups) or [str(i) for i in range(rows.num_rows)]
        unseen = np.full((rows.num_rows, len(self.specs)), np.nan)
        trained: list[list[CriticModel]] = [[] for _ in self.specs]
        for train, test in self.divisions(groups, labels):
            for place, ensemble in enumerate(trained):
                ensemble.append(self._fitted(place, rows, labels, groups, weights, train))
                unseen[test, place] = critic_logits(ensemble[-1], rows.take(pa.array(test)))
        scored = np.flatnonzero(~np.isnan(unseen).any(axis=1))
        if len(set(labels[scored])) < 2:
            raise CriticError(
                "critic 'stack': the rows that every member scores have one verdict only, or there"
                " are none; label more, or correct the member that asks a language model"
            )
        self.unseen = unseen
        self._combine(unseen[scored], labels[scored], None if weights is None else weights[scored])
        if self.folds > 1 and self.refit:
            everything = np.arange(rows.num_rows)
            trained = [
                [self._fitted(place, rows, labels, groups, weights, everything)]
                for place in range(len(trained))
            ]
        self.members = [Ensemble(ensemble) for ensemble in trained]

    def _fitted(
        self,
        place: int,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str],
        weights: Scores | None,
        train: Any,
    ) -> CriticModel:
        """Train a new member on some of the rows."""
        name, options = self.specs[place]
        member = _made(name, self.kind, options)
        member.prepare(rows, groups)
        part = None if weights is None else weights[train]
        fit_with_progress(
            member, rows.take(pa.array(train)), labels[train], [groups[i] for i in train], part
        )
        return member

    def divisions(self, groups: Sequence[str], labels: Labels) -> Iterator[tuple[Any, Any]]:
        """Yield training and scored rows that share no group, whatever the order of rows."""
        places = np.array([fraction(f"stack:{self.seed}:{group}") for group in groups])
        fold = (
            (places >= self.held_out).astype(int)
            if self.folds == 1
            else (places * self.folds).astype(int)
        )
        for number in range(self.folds):
            test = fold == number
            for part in (~test, test):
                if len(set(labels[part])) < 2:
                    raise CriticError(
                        f"critic 'stack': fold {number + 1} of {self.folds} has one verdict only;"
                        " label more or ask for fewer folds"
                    )
            yield np.flatnonzero(~test), np.flatnonzero(test)

    def _combine(self, logits: Scores, labels: Labels, weights: Scores | None) -> None:
        from sklearn.linear_model import LogisticRegression

        self._mean, self._scale = logits.mean(0), logits.std(0)
        self._scale[self._scale < 1e-9] = 1.0
        model = LogisticRegression(C=1.0).fit((logits - self._mean) / self._scale, labels, weights)
        self._weights, self._bias = model.coef_[0], float(model.intercept_[0])

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        if not len(self._weights):
            raise CriticError("this critic was not trained yet")
        if not batch.num_rows:
            return np.zeros(0)
        logits = np.stack([member.logits(batch) for member in self.members], axis=1)
        total = row_sums((logits - self._mean) / self._scale, self._weights) + self._bias
        return sigmoid(total)

    def missing(self, rows: pa.Table) -> list[Missing]:
        """Explain rows without a score by the first member without one."""
        by_member = [
            ensemble.missing(rows)
            for ensemble in self.members
            if any(critic.asks for critic in ensemble.critics)
        ]
        each = [next((why for why in whys if why), None) for whys in zip(*by_member, strict=True)]
        rest = super().missing(rows)
        return [why or other for why, other in zip(each or rest, rest, strict=True)]

    @property
    def shares(self) -> dict[str, float]:
        """Weight of each member in the combination."""
        return {
            f"{place}-{name}": float(weight)
            for place, ((name, _), weight) in enumerate(zip(self.specs, self._weights, strict=True))
        }

    def numbers(self) -> tuple[list[str], list[str]]:
        each = [critic.numbers() for ensemble in self.members for critic in ensemble.critics]
        read, ignored = ({name for one in each for name in one[side]} for side in (0, 1))
        return [name for name in COLUMNS if name in read], [
            name for name in COLUMNS if name in ignored - read
        ]

    def save(self, folder: Path) -> None:
        if not len(self._weights):
            raise CriticError("this critic was not trained yet")
        members = []
        for place, ((name, options), member) in enumerate(
            zip(self.specs, self.members, strict=True)
        ):
            inside = folder / f"member-{place}-{name}"
            inside.mkdir()
            member.save(inside)
            members.append({"name": name, "options": published_options(options)})
        config = {
            "critic": self.name, "version": _VERSION, "kind": self.kind.name,
            "columns": list(self.kind.columns),
            "members": members, "folds": self.folds, "held_out": self.held_out, "refit": self.refit,
            "seed": self.seed,
            "bias": self._bias,
        }  # fmt: skip
        arrays = {"mean": self._mean, "scale": self._scale, "weights": self._weights}
        write_files(folder, arrays, config)

    @property
    def asks(self) -> bool:  # type: ignore[override]
        """True if a member asks a language model."""
        return any(critic.asks for ensemble in self.members for critic in ensemble.critics)

    @classmethod
    def unnamed(cls, folder: Path, options: Mapping[str, Any]) -> str | None:
        """Return the first member that lacks its language model."""
        settings = read_settings(folder / CONFIG, _Settings, CRITIC_ARTIFACT)
        for place, member in enumerate(settings.members):
            made: type[CriticModel] = plugins.find("critics", member.name)
            inside = f"{place}-{member.name}"
            problem = made.unnamed(
                folder / f"member-{inside}", options_of_load(made, options, inside)
            )
            if problem:
                return f"its member {inside} {problem}"
        return None

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> StackCritic:
        """Load a stack; ``options`` go to each member that takes them."""
        require_extra("the stack of critics", "critics", "sklearn", "safetensors")
        arrays, settings = read_files(folder, cls.name, _VERSION, _Settings)
        check_columns(folder, settings, kind)
        count = len(settings.members)
        shapes = {name: Array("float64", (count,)) for name in ("mean", "weights")}
        check_arrays(
            folder / ARRAYS,
            arrays,
            shapes | {"scale": Array("float64", (count,), 1e-12)},
            CRITIC_ARTIFACT,
        )
        critic = cls.__new__(cls)
        critic.kind = kind
        critic.unseen = None
        critic.folds, critic.held_out, critic.seed = (
            settings.folds,
            settings.held_out,
            settings.seed,
        )
        critic.refit = settings.refit
        copies = 1 if critic.refit or critic.folds == 1 else critic.folds
        critic.specs = [(member.name, member.options) for member in settings.members]
        critic.members = []
        for place, member in enumerate(settings.members):
            inside = folder / f"member-{place}-{member.name}"
            own = options_of_load(
                plugins.find("critics", member.name), options, f"{place}-{member.name}"
            )
            critic.members.append(Ensemble.load(inside, kind, member.name, copies, own))
        _refuse_unused(options, critic.specs)
        critic._mean, critic._scale, critic._weights = (
            arrays["mean"],
            arrays["scale"],
            arrays["weights"],
        )
        critic._bias = settings.bias
        return critic


def _refuse_unused(options: Mapping[str, Any], specs: Sequence[tuple[str, Any]]) -> None:
    """Refuse an option that no member takes."""
    takes = {"folder"} | {f"{place}-{name}" for place, (name, _) in enumerate(specs)}
    for name, _ in specs:
        takes |= plugins.find("critics", name).load_options
    for name in options:
        if name not in takes and OF_MEMBERS not in takes:
            raise CriticError(
                f"critic 'stack': no member takes the option {name!r} when it is"
                f" loaded{nearest(name, sorted(takes))}"
            )


def _spec(entry: Spec) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((name, options),) = entry.items()
        return name, dict(options or {})
    raise CriticError(f"critic 'stack': {entry!r} is neither a critic's name nor {{name: options}}")


def _made(name: str, kind: Kind, options: Mapping[str, Any]) -> CriticModel:
    return make_critic(name, kind, options, f"critic 'stack': member {name!r}")
