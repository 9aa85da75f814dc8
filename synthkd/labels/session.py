"""A labelling session: show a row, read a key, write the verdict.

The session is independent of the terminal: keys come from a `KeySource`, output goes to a function.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SOURCES, CandidatePool, candidate_sentence, sheet_text
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.sheet import Record, Sheet, timestamp, votes_by_row
from synthkd.labels.verdicts import ACCEPT, REJECT, UNSURE, verdict_of
from synthkd.reporting.safe_text import clean, clean_lines

KEYS = {"a": ACCEPT, "r": REJECT, "u": UNSURE}
#: Indents the further lines of a text, so that none looks like a line of the session.
_INDENT = "    "
HELP = "a accept  r reject  u unsure  s skip  z undo  w why  p prompt  ? keys  q quit"


class KeySource(Protocol):
    """A source of keys, such as `terminal.TerminalKeys`."""

    def key(self) -> str:
        """Return the next key; "" at the end."""

    def line(self, ask: Callable[[], None]) -> str:
        """Call ``ask``, which prints the question, and return the line typed."""


@dataclass
class Session:
    """A session of one annotator, who labels the rows of a pool in the order of a design.

    Attributes:
        name: Name of the labelling round.
        say: Prints a line.
        count: Number of verdicts after which the session ends.
        fresh: Skip rows that anyone labelled. By default rows that others labelled come first, so
            that agreement can be measured.
        prompt_of: Returns the prompt of a row, or None.
        verdicts: Counts of the verdicts given in this session.
        skipped: Number of rows skipped.
    """

    pool: CandidatePool
    kind: Kind
    design: SamplingDesign
    sheet: Sheet
    name: str
    annotator: str
    say: Callable[[str], None]
    count: int | None = None
    fresh: bool = False
    prompt_of: Callable[[dict[str, Any]], str | None] | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    _why: str = ""
    _others: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, keys: KeySource) -> None:
        """Label until the rows, the count or the keys end. Ctrl-C ends the session as `q` does."""
        self._others = _by_others(self.sheet, self.annotator)
        queue = deque(self._queue())
        if not queue:
            self.say("every row of this pool is labelled")
        try:
            while queue and (self.count is None or self.verdicts.total() < self.count):
                self._show(self.pool.rows[queue[0]], len(queue))
                if not self._answer(keys, queue):
                    break
        except KeyboardInterrupt:
            self.say("")

    def _queue(self) -> list[int]:
        mine = self.sheet.labelled_by(self.annotator)
        all_ids = {record["id"] for record in self.sheet.records}
        positions = self.pool.positions
        again = [] if self.fresh else [positions[key] for key in self._others if key in positions]
        fresh = [row for row in self.design.order.tolist() if self.pool.ids[row] not in all_ids]
        return [row for row in again if self.pool.ids[row] not in mine] + fresh

    def _answer(self, keys: KeySource, queue: deque[int]) -> bool:
        """Read keys until the first row of the queue is done. Returns False at the end."""
        while True:
            key = keys.key().casefold()
            if key in ("", "q"):
                return False
            if key in KEYS:
                self._write(self.pool.rows[queue.popleft()], KEYS[key])
                return True
            if key == "s":
                queue.popleft()
                self.skipped += 1
                self._why = ""
                return True
            if key == "z":
                if self._undo(queue):
                    return True
            elif key == "w":
                self._why = clean(keys.line(lambda: self.say("why?")))
            elif key == "p":
                self._show_prompt(self.pool.rows[queue[0]])
            else:
                self.say(HELP)

    def _write(self, row: dict[str, Any], verdict: str) -> None:
        first = self.sheet.first_records().get(row["id"])
        drawn = {
            "chosen": self._strategy(row),
            "design": self.name,
            "probability": "",
            "weight": "",
        }
        if first:
            drawn = {key: first[key] for key in drawn}
        self.sheet.append(
            {name: sheet_text(row.get(name)) for name in self.pool.sheet_columns}
            | {
                "id": row["id"],
                "verdict": verdict,
                "annotator": self.annotator,
                "time": timestamp(),
                "why": self._why,
            }
            | drawn
        )
        self.verdicts[verdict] += 1
        self._why = ""

    def _strategy(self, row: dict[str, Any]) -> str:
        """Return the list that chose a row first; `write_weights` adds those both lists reach."""
        turn = int(self.design.first[self.pool.positions[row["id"]]])
        before = self.design.reached(turn)[0]
        return "uniform" if self.design.reached(turn + 1)[0] > before else self.design.strategy

    def _undo(self, queue: deque[int]) -> bool:
        record = self.sheet.undo(self.annotator)
        if record is None or record["id"] not in self.pool.positions:
            self.say("nothing of yours to take back at the end of the sheet")
            return False
        self.verdicts[record["verdict"]] = max(self.verdicts[record["verdict"]] - 1, 0)
        queue.appendleft(self.pool.positions[record["id"]])
        self.say(f"taken back: {clean(record['verdict'])}")
        return True

    def _show(self, row: dict[str, Any], left: int) -> None:
        self.say("")
        self.say(f"── {self._status(left)}")
        for name in SOURCES:
            if row.get(name) and name not in self.pool.columns:
                self.say(f"{name}: {clean_lines(row[name], _INDENT)}")
        self.say(clean_lines(candidate_sentence(self.kind, row), _INDENT))
        self.say(
            "   "
            + "  ".join(
                f"{clean(name)}: {clean_lines(row[name], _INDENT)}" for name in self.pool.columns
            )
        )

    def _status(self, left: int) -> str:
        done = self.verdicts.total()
        goal = min(self.count, done + left) if self.count is not None else done + left
        parts = [f"{done + 1:,} of {goal:,}"]
        parts += [f"{count} {verdict}" for verdict, count in self.verdicts.items() if count]
        return ", ".join(parts) + self._agreement()

    def _agreement(self) -> str:
        """Return the agreement with each other annotator, over the whole sheet."""
        mine = {
            record["id"]: record["verdict"]
            for record in self.sheet.records
            if record["annotator"] == self.annotator
        }
        same: Counter[str] = Counter()
        common: Counter[str] = Counter()
        for key, verdicts in self._others.items():
            for name, verdict in verdicts.items():
                common[name] += key in mine
                same[name] += verdict_of(mine.get(key)) == verdict_of(verdict)
        shown = [
            f"{clean(name) or 'no name'} {same[name]}/{common[name]}"
            for name in sorted(common)
            if common[name]
        ]
        return f"; agrees with {', '.join(shown)}" if shown else ""

    def _show_prompt(self, row: dict[str, Any]) -> None:
        prompt = self.prompt_of(row) if self.prompt_of else None
        self.say(
            clean_lines(prompt, _INDENT)
            if prompt
            else "no prompt of this row: there is no journal beside the rows"
        )


def _by_others(sheet: Sheet, annotator: str) -> dict[str, dict[str, str]]:
    return votes_by_row(record for record in sheet.records if record["annotator"] != annotator)


def sheet_summary(sheet: Sheet) -> str:
    """Return the counts of a sheet's rows and verdicts, in a line."""
    first: dict[str, Record] = sheet.first_records()
    counts = Counter(record["verdict"] for record in sheet.records)
    uniform = sum(record["chosen"] == "uniform" for record in first.values())
    shown = ", ".join(f"{count:,} {clean(verdict)}" for verdict, count in counts.items())
    rows = f"{len(first):,} {'row' if len(first) == 1 else 'rows'} labelled"
    if len(sheet.records) > len(first):
        rows += f", {len(sheet.records):,} verdicts"
    return f"{clean(sheet.path)}: {rows} ({shown or 'none'}), {uniform:,} of them drawn uniformly"
