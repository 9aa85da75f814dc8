"""A session of labelling: show a row, read a key, keep the verdict. It knows no terminal: keys and lines come from
an object with `key` and `line`, and what is shown goes to a function."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SOURCES, CandidatePool, candidate_sentence, sheet_text
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.sheet import Record, Sheet, timestamp
from synthkd.labels.verdicts import ACCEPT, REJECT, UNSURE, verdict_of
from synthkd.reporting.safe_text import clean, clean_lines

KEYS = {"a": ACCEPT, "r": REJECT, "u": UNSURE}
#: Before each further line of a text, so that none can pass for a line of the session.
_INDENT = "    "
HELP = "a accept  r reject  u unsure  s skip  z undo  w why  p prompt  ? keys  q quit"


class KeySource(Protocol):
    """Where keys come from (`terminal.Keys`)."""

    def key(self) -> str: ...

    def line(self, ask: Callable[[], None]) -> str: ...


@dataclass
class Session:
    """Labels rows of a pool in the order of a design into a sheet, for one annotator.

    ``count`` stops after so many verdicts. ``fresh`` passes over rows that anyone labelled; otherwise those that
    others labelled come first, so that agreement can be measured.
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
    given: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    _why: str = ""
    _others: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, keys: KeySource) -> None:
        """Until the rows, the count or the keys are at an end. Ctrl-C ends it as `q` does: all is kept."""
        self._others = _by_others(self.sheet, self.annotator)
        queue = deque(self._queue())
        if not queue:
            self.say("every row of this pool is labelled")
        try:
            while queue and (self.count is None or self.given.total() < self.count):
                self._show(self.pool.rows[queue[0]], len(queue))
                if not self._answer(keys, queue):
                    break
        except KeyboardInterrupt:
            self.say("")

    def _queue(self) -> list[int]:
        mine = self.sheet.labelled_by(self.annotator)
        all_ids = {record["id"] for record in self.sheet.records}
        again = [] if self.fresh else [self.pool.place[key] for key in self._others if key in self.pool.place]
        fresh = [row for row in self.design.order.tolist() if self.pool.ids[row] not in all_ids]
        return [row for row in again if self.pool.ids[row] not in mine] + fresh

    def _answer(self, keys: KeySource, queue: deque[int]) -> bool:
        """Read keys until the row in front is done with. False: no more."""
        while True:
            key = keys.key()
            key = key.casefold()
            if key in ("", "q"):
                return False
            if key in KEYS:
                self._keep(self.pool.rows[queue.popleft()], KEYS[key])
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

    def _keep(self, row: dict[str, Any], verdict: str) -> None:
        first = self.sheet.first_records().get(row["id"])
        own = {"chosen": self._chosen(row), "design": self.name, "probability": "", "weight": ""}
        drawn = {key: first[key] for key in own} if first else own
        self.sheet.append(
            {name: sheet_text(row.get(name)) for name in self.pool.kept}
            | {
                "id": row["id"],
                "verdict": verdict,
                "annotator": self.annotator,
                "time": timestamp(),
                "why": self._why,
            }
            | drawn
        )
        self.given[verdict] += 1
        self._why = ""

    def _chosen(self, row: dict[str, Any]) -> str:
        """Which list asked for a row; `rounds.close` tells whether the uniform list reached it too."""
        place = self.pool.place[row["id"]]
        turn = int(self.design.first[place])
        before = self.design.reached(turn)[0]
        return "uniform" if self.design.reached(turn + 1)[0] > before else self.design.strategy

    def _undo(self, queue: deque[int]) -> bool:
        record = self.sheet.undo(self.annotator)
        if record is None or record["id"] not in self.pool.place:
            self.say("nothing of yours to take back at the end of the sheet")
            return False
        self.given[record["verdict"]] = max(self.given[record["verdict"]] - 1, 0)
        queue.appendleft(self.pool.place[record["id"]])
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
            + "  ".join(f"{clean(name)}: {clean_lines(row[name], _INDENT)}" for name in self.pool.columns)
        )

    def _status(self, left: int) -> str:
        done = self.given.total()
        goal = min(self.count, done + left) if self.count is not None else done + left
        parts = [f"{done + 1:,} of {goal:,}"]
        parts += [f"{count} {verdict}" for verdict, count in self.given.items() if count]
        return ", ".join(parts) + self._agreement()

    def _agreement(self) -> str:
        """How often this annotator said what each other said, over the whole sheet."""
        mine = {
            record["id"]: record["verdict"]
            for record in self.sheet.records
            if record["annotator"] == self.annotator
        }
        same: Counter[str] = Counter()
        common: Counter[str] = Counter()
        for key, said in self._others.items():
            for name, verdict in said.items():
                common[name] += key in mine
                same[name] += verdict_of(mine.get(key)) == verdict_of(verdict)
        told = [
            f"{clean(name) or 'no name'} {same[name]}/{common[name]}"
            for name in sorted(common)
            if common[name]
        ]
        return f"; agrees with {', '.join(told)}" if told else ""

    def _show_prompt(self, row: dict[str, Any]) -> None:
        prompt = self.prompt_of(row) if self.prompt_of else None
        self.say(
            clean_lines(prompt, _INDENT)
            if prompt
            else "the prompt of this row is not at hand (no journal beside the rows)"
        )


def _by_others(sheet: Sheet, annotator: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for record in sheet.records:
        if record["annotator"] != annotator:
            found.setdefault(record["id"], {})[record["annotator"]] = record["verdict"]
    return found


def sheet_summary(sheet: Sheet) -> str:
    """What a sheet holds, in a line."""
    first: dict[str, Record] = sheet.first_records()
    counts = Counter(record["verdict"] for record in sheet.records)
    uniform = sum(record["chosen"] == "uniform" for record in first.values())
    told = ", ".join(f"{count:,} {clean(verdict)}" for verdict, count in counts.items())
    rows = f"{len(first):,} {'row' if len(first) == 1 else 'rows'} labelled"
    if len(sheet.records) > len(first):
        rows += f", {len(sheet.records):,} verdicts"
    return f"{clean(sheet.path)}: {rows} ({told or 'none'}), {uniform:,} of them drawn uniformly"
