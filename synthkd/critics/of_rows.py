"""`Critic`: train, score, save and load a critic on rows of any table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd import plugins
from synthkd.critics.base import Scores
from synthkd.critics.calibration import Curve, Threshold, Unreachable, choose_by_group
from synthkd.critics.folder import FACTS, load_critic, read_facts, save_critic
from synthkd.critics.labels import MAX_ROWS, read_labels, verdict_column
from synthkd.critics.plots import precision_picture, reliability_picture
from synthkd.critics.score import read_scores
from synthkd.critics.train import train_critic
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.errors import CriticError, NotReachableError
from synthkd.kinds.base import Kind
from synthkd.kinds.factory import kind_with_options
from synthkd.reporting.tables import html_table
from synthkd.resources import resource
from synthkd.rows import RowSource, rows_in_file

_PRECISIONS = (0.8, 0.9, 0.95)


class Critic:
    """A trained critic: it gives each row a probability of being valid.

    Rows may be a list of dicts, a DataFrame, a table, a data set or the path of a file. Labels are
    a column of them, and their held-out part tells which target precision can be kept.

    Attributes:
        trained: The critic's model, held-out rows and facts.

    Example:
        >>> import synthkd
        >>> critic = synthkd.Critic.load("everyday")
        >>> critic
        <Critic linear of triple: AUC 0.92 on 4,362 held-out rows>
        >>> rows = [
        ...     {"head": "a knife", "relation": "UsedFor", "tail": "cutting bread"},
        ...     {"head": "a knife", "relation": "UsedFor", "tail": "a knife"},
        ... ]
        >>> critic.score(rows).round(1)
        array([...])
        >>> print(critic.threshold(0.9).sentence())
        target precision 0.90: threshold 0.69... keeps 62.6% of the rows ...
    """

    def __init__(self, trained: TrainedCritic) -> None:
        self.trained = trained

    @classmethod
    def train(
        cls,
        rows: RowSource,
        kind: str | Kind = "triple",
        name: str = "linear",
        *,
        options: Mapping[str, Any] | None = None,
        kind_options: Mapping[str, Any] | None = None,
        label: str = "label",
        columns: Mapping[str, str] | None = None,
        held_out: float = 0.3,
        group: str | None = None,
        seed: int = 0,
        merge: str = "majority",
        max_rows: int = MAX_ROWS,
    ) -> Critic:
        """Train a critic on labelled rows.

        Args:
            rows: Rows with the kind's columns and a verdict: true and false, 1 and 0, `accept` and
                `reject`, and other spellings.
            kind: The kind of the rows, or its name.
            name: Which critic, such as `linear`, `text` or `encoder`.
            options: Options of the critic.
            kind_options: Options of the kind, as under `kind` in a recipe.
            label: Column of the verdicts.
            columns: Columns of the rows, by the kind's column that each is renamed to.
            held_out: Share of the groups that is held out; 0 trains on all rows, and then no
                precision can be kept.
            group: Column whose groups of rows stay on one side of the split.
            seed: Seed of the split.
            merge: How several annotators are merged: `majority` or `dawid-skene`.
            max_rows: Rows that are kept at most.

        Raises:
            CriticError: The rows cannot train a critic.

        Example:
            >>> import synthkd
            >>> rows = [
            ...     {"head": f"thing {i}", "relation": "IsA", "tail": tail, "label": tail != "x"}
            ...     for i in range(60)
            ...     for tail in ("a tool", "a machine", "x")
            ... ]
            >>> synthkd.Critic.train(rows, "triple", kind_options={"relations": "everyday"})
            <Critic linear of triple: AUC 1.00 on ... held-out rows>
        """
        made, kept = _kind(kind, kind_options)
        with rows_in_file(rows, "labelled rows") as path:
            sheet = read_labels(
                path, made, label=label, columns=dict(columns or {}), held_out=held_out,
                group=group, seed=seed, merge=merge, max_rows=max_rows,
            )  # fmt: skip
        own = plugins.own_name("critics", name, Path.cwd())
        return cls(train_critic(made, sheet, own, None, dict(options or {}), kept))

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        options: Mapping[str, Any] | None = None,
        kind_options: Mapping[str, Any] | None = None,
    ) -> Critic:
        """Load a critic.

        Args:
            folder: Folder of a critic, or the name of one that is shipped: `everyday`.
            options: What a folder does not hold: `teacher`, `journal` and `limits` of a judge,
                `encoder` of a frozen encoder.
            kind_options: Options of the kind in place of those that the critic was trained with.

        Raises:
            CriticError: There is no critic, or it is damaged or altered.
        """
        path = _folder(os.fspath(folder))
        facts = read_facts(path)
        kept = facts.kind_options if kind_options is None else kind_options
        kind = kind_with_options(facts.kind, kept)
        return cls(load_critic(path, kind, options, Path.cwd()))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the critic, its card and its curves into a folder, over an earlier critic.

        Returns:
            The folder.
        """
        path = Path(os.fspath(folder))
        save_critic(self.trained, path)
        return path

    def score(self, rows: RowSource | Mapping[str, Any]) -> Scores:
        """Return the probability of being valid of each row.

        Args:
            rows: Rows with the kind's columns, and numbers such as `logprob` that the critic was
                trained with; a single dict is one row.

        Returns:
            (n,) probabilities in the order of the rows; NaN for a row of which a judge gave none.

        Raises:
            InputError: A column or a cell is missing.
        """
        if isinstance(rows, Mapping) and set(self.kind.columns) & set(rows):
            rows = [rows]
        with rows_in_file(rows) as path:  # type: ignore[arg-type]
            return read_scores(self.trained, path, self.kind)

    def threshold(self, precision: float, confidence: float = 0.95) -> Threshold | Unreachable:
        """Return the loosest threshold that keeps a target precision, or why there is none.

        Args:
            precision: Target precision, above 0 and below 1.
            confidence: Confidence with which it is kept.

        Raises:
            CriticError: The critic has no held-out rows.
        """
        return self.trained.threshold(precision, confidence)

    def verdicts(
        self,
        rows: pa.Table,
        precision: float,
        confidence: float = 0.95,
        each: str | None = None,
    ) -> list[bool]:
        """Decide rows that have a `score` already, at a target precision.

        Args:
            rows: A table with the columns `score` and, if given, ``each``.
            precision: Target precision.
            confidence: Confidence with which it is kept.
            each: Column in each of whose values the precision is kept.

        Raises:
            NotReachableError: No threshold keeps the precision.
        """
        scores = [np.nan if score is None else score for score in rows["score"].to_pylist()]
        if each is None:
            found = self.threshold(precision, confidence)
            if isinstance(found, Unreachable):
                raise NotReachableError(found.advice)
            return [bool(score >= found.threshold) for score in scores]
        held_out, curve = self.held_out, self.curve
        groups = [str(value) for value in held_out[each].to_pylist()]
        chosen = choose_by_group(
            held_out["score"].to_numpy(), held_out[verdict_column(self.kind)].to_numpy(), groups,
            precision, confidence, weights=None if curve.weights is None
            else held_out["weight"].to_numpy(), clusters=self.trained.groups,
        )  # fmt: skip
        return [bool(one) for one in chosen.accept(np.array(scores), rows[each].to_pylist())]

    @property
    def kind(self) -> Kind:
        """The kind of the rows."""
        return self.trained.critic.kind

    @property
    def name(self) -> str:
        """Which critic it is, such as `linear`."""
        return self.trained.critic.name

    @property
    def held_out(self) -> pa.Table:
        """The held-out rows with `score` and verdict."""
        return self.trained.held_out

    @property
    def curve(self) -> Curve:
        """Precision and recall of the held-out rows.

        Raises:
            CriticError: The critic has no held-out rows.
        """
        return self.trained.curve

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Return the record of the training, with the figures on the held-out rows."""
        return self.trained.facts()

    def __repr__(self) -> str:
        rows = self.held_out.num_rows
        figure = (
            f"AUC {self.curve.auc:.2f} on {rows:,} held-out rows" if rows else "nothing held out"
        )
        return f"<Critic {self.name} of {self.kind.name}: {figure}>"

    def _repr_html_(self) -> str:
        if not self.held_out.num_rows:
            return html_table([["critic"], [repr(self)[1:-1]]], left=1)
        rows: list[Sequence[object]] = [["target precision", "what can be kept"]]
        rows += [[precision, self.threshold(precision).sentence()] for precision in _PRECISIONS]
        pictures = precision_picture(self.curve) + reliability_picture(self.curve)
        return html_table(rows, left=2, caption=repr(self)[1:-1]) + pictures


def _kind(kind: str | Kind, options: Mapping[str, Any] | None) -> tuple[Kind, Mapping[str, Any]]:
    """Return the kind, and the options that a folder keeps of it."""
    if isinstance(kind, Kind):
        if options:
            raise CriticError("kind_options: give them to the kind itself, or give its name")
        kept = kind.options.model_dump(mode="json", exclude_defaults=True)
        return kind, kept
    return kind_with_options(kind, options or {}), dict(options or {})


def _folder(name: str) -> Path:
    """Return the folder of a critic; of a shipped one by its name."""
    if Path(name).name == name and not (Path(name) / FACTS).is_file():
        shipped = resource("critics") / name
        if (shipped / "critic.json").is_file():
            return shipped
    return Path(name)
