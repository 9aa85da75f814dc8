"""What long work shows: a live line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from synthkd.display import clean, guard_streams, raw_stream

#: Seconds between plain lines.
_EVERY = 10.0


class Progress:
    """Counts rows of a stage. ``quiet`` shows nothing. Use as a context manager."""

    def __init__(self, stage: str, quiet: bool = False) -> None:
        self.stage = stage
        self.quiet = quiet
        self.total = 0
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

    def more(self, rows: int) -> None:
        """Work that became known."""
        self.total += rows
        if self._live is not None:
            self._live.update(self._task, total=self.total)

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        """Work that was done."""
        self.done += rows
        self.tokens += tokens
        self.cost = cost if cost is not None else self.cost
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._task, completed=self.done, extra=self._extra())
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
        """Rows a second."""
        return self.done / max(time.monotonic() - self._start, 1e-9)

    def _line(self) -> None:
        left = ""
        if self.total > self.done and self.rate:
            left = f", about {(self.total - self.done) / self.rate:,.0f} s left for what is known"
        print(
            f"{clean(self.stage)}: {self.done:,} of {self.total:,} rows, {self._extra()}{left}",
            file=sys.stderr,
            flush=True,
        )

    def _extra(self) -> str:
        parts = [f"{self.rate:,.0f} rows/s"]
        if self.tokens:
            parts.append(f"{self.tokens:,} tokens")
        if self.cost:
            parts.append(f"${self.cost:,.4f}")
        return ", ".join(parts)

    def _open_live(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Live

        self._live = Live(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[extra]}", markup=False),
            TimeRemainingColumn(),
            console=Console(file=raw_stream(sys.stderr)),
        )
        self._task = self._live.add_task(clean(self.stage), total=None, extra="")
        self._live.start()
        # What libraries write meanwhile passes through the live display, which reads escape sequences.
        self._streams = sys.stdout, sys.stderr
        guard_streams()
