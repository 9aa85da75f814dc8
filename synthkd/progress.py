"""What long work shows: a live line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from synthkd.reporting.safe_text import clean, guard_streams, raw_stream

#: Seconds between plain lines.
_EVERY = 10.0


class Progress:
    """Count and show the rows of a stage; ``quiet`` shows nothing. Use as a context manager.

    Attributes:
        total: Rows of work that became known one batch after the other.
        expected: Rows of the whole stage, where they can be counted in advance.
        before: Rows that an earlier run had done; they count as done, but not towards the rate.
        done: Rows done since the start.
    """

    def __init__(self, stage: str, quiet: bool = False) -> None:
        self.stage = stage
        self.quiet = quiet
        self.total = 0
        self.expected: int | None = None
        self.before = 0
        self.done = 0
        self.tokens = 0
        self.cost: float | None = None
        self._start = self._last = time.monotonic()
        self._live: Any = None
        self._streams: tuple[Any, Any] = (None, None)
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._open_live()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            sys.stdout, sys.stderr = self._streams
            self._live.stop()
            self._live = None
        elif self.done and not self.quiet:
            self._line()

    def expect(self, rows: int | None) -> None:
        """Set the rows of the whole stage, or None when what became known is the whole."""
        self.expected = rows
        self._update()

    def more(self, rows: int) -> None:
        """Add work that became known."""
        self.total += rows
        self._update()

    def skip(self, rows: int) -> None:
        """Count rows that an earlier run had done."""
        self.before += rows
        self._update()

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        """Count work that was done."""
        self.done += rows
        self.tokens += tokens
        self.cost = cost if cost is not None else self.cost
        now = time.monotonic()
        if self._live is not None:
            self._update()
        elif not self.quiet and now - self._last >= _EVERY:
            self._last = now
            self._line()

    def say(self, message: str) -> None:
        """A line beside the progress."""
        if self._live is not None:
            # The message is text: no markup, no links, no emoji names, and no lines cut by the width.
            self._live.console.print(
                clean(message), markup=False, highlight=False, emoji=False, soft_wrap=True
            )
        elif not self.quiet:
            print(clean(message), file=sys.stderr, flush=True)

    @property
    def rate(self) -> float:
        """Rows a second, since the start."""
        return self.done / max(time.monotonic() - self._start, 1e-9)

    @property
    def whole(self) -> int:
        """Rows of the whole stage, as far as is known."""
        return max(self.expected or 0, self.before + self.total)

    def _update(self) -> None:
        if self._live is not None:
            self._live.update(
                self._task, total=self.whole, completed=self.before + self.done, extra=self._extra()
            )

    def _line(self) -> None:
        print(
            f"{clean(self.stage)}: {self.before + self.done:,} of {self.whole:,} rows, {self._extra()}",
            file=sys.stderr,
            flush=True,
        )

    def _extra(self) -> str:
        parts = [rate_text(self.rate)]
        if self.tokens:
            parts.append(f"{self.tokens:,} tokens")
        if self.cost:
            parts.append(f"${self.cost:,.4f}")
        left = self.whole - self.before - self.done
        if left > 0 and self.done:
            parts.append(f"about {duration_text(left / self.rate)} left")
        return ", ".join(parts)

    def _open_live(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Live

        self._live = Live(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[extra]}", markup=False),
            console=Console(file=raw_stream(sys.stderr)),
        )
        self._task = self._live.add_task(clean(self.stage), total=None, extra="")
        self._live.start()
        # What libraries write meanwhile passes through the live display, which reads escape sequences.
        self._streams = sys.stdout, sys.stderr
        guard_streams()


def rate_text(rate: float) -> str:
    """Put a rate (rows a second) in words; a slow one in rows a minute or an hour."""
    if rate >= 10:
        return f"{rate:,.0f} rows/s"
    if rate >= 1:
        return f"{rate:.1f} rows/s"
    if rate * 60 >= 1:
        return f"{rate * 60:.1f} rows/min"
    return f"{rate * 3600:.1f} rows/h"


def duration_text(seconds: float) -> str:
    """Put a duration in words, in the unit that fits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
