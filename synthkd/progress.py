"""Progress of long work: a live line on a terminal, a bar in a notebook, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from synthkd.reporting.safe_text import clean, guard_streams, html_text, raw_stream

#: Seconds between plain lines, and between changes of a notebook's bar.
_INTERVAL, _NOTEBOOK_INTERVAL = 10.0, 0.25


class Progress:
    """Counts and shows the rows of a stage. Use as a context manager.

    Args:
        stage: Name of the stage.
        quiet: Show nothing.

    Attributes:
        total: Rows added by `more`, as batches become known.
        expected: Rows of the whole stage, if they can be counted in advance.
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
        self._bar: Any = None
        self._streams: tuple[Any, Any] = (None, None)
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._open_live()
        elif not self.quiet:
            self._open_bar()
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
        elif self._bar is not None:
            self._show_bar()
            self._bar = None
        elif self.done and not self.quiet:
            self._print_line()

    def expect(self, rows: int | None) -> None:
        """Set the rows of the whole stage; None if the rows added so far are all."""
        self.expected = rows
        self._update()

    def more(self, rows: int) -> None:
        """Add rows of work."""
        self.total += rows
        self._update()

    def skip(self, rows: int) -> None:
        """Count rows that an earlier run had done."""
        self.before += rows
        self._update()

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        """Count rows as done, with their tokens, and set the total cost so far."""
        self.done += rows
        self.tokens += tokens
        self.cost = cost if cost is not None else self.cost
        now = time.monotonic()
        if self._live is not None:
            self._update()
        elif self._bar is not None:
            if now - self._last >= _NOTEBOOK_INTERVAL:
                self._last = now
                self._show_bar()
        elif not self.quiet and now - self._last >= _INTERVAL:
            self._last = now
            self._print_line()

    def say(self, message: str) -> None:
        """Print a line beside the progress."""
        if self._live is not None:
            # Plain text: no markup, links or emoji names, and no lines cut by the width.
            self._live.console.print(
                clean(message), markup=False, highlight=False, emoji=False, soft_wrap=True
            )
        elif not self.quiet:
            print(clean(message), file=sys.stderr, flush=True)

    @property
    def rate(self) -> float:
        """Rows per second since the start."""
        return self.done / max(time.monotonic() - self._start, 1e-9)

    @property
    def whole(self) -> int:
        """Rows of the whole stage, as far as they are known."""
        return max(self.expected or 0, self.before + self.total)

    def _update(self) -> None:
        if self._live is not None:
            self._live.update(
                self._task,
                total=self.whole,
                completed=self.before + self.done,
                extra=self._figures(),
            )

    def _open_bar(self) -> None:
        """Show a bar in a notebook; elsewhere nothing."""
        shell = sys.modules.get("IPython")
        if shell is None or getattr(shell.get_ipython(), "kernel", None) is None:
            return
        from IPython import display as notebook

        display: Any = notebook.display
        self._bar = display({"text/html": self._html()}, raw=True, display_id=True)

    def _show_bar(self) -> None:
        self._bar.update({"text/html": self._html()}, raw=True)

    def _html(self) -> str:
        done, whole = self.before + self.done, max(self.whole, 1)
        bar = f"<progress value='{min(done, whole)}' max='{whole}'></progress>"
        counted = f"{done:,} of {self.whole:,} rows"
        return f"{html_text(self.stage)} {bar} {counted}, {html_text(self._figures())}"

    def _print_line(self) -> None:
        print(
            f"{clean(self.stage)}: {self.before + self.done:,} of {self.whole:,} rows,"
            f" {self._figures()}",
            file=sys.stderr,
            flush=True,
        )

    def _figures(self) -> str:
        parts = [rate_text(self.rate)]
        if self.tokens:
            parts.append(f"{self.tokens:,} tokens")
        if self.cost:
            parts.append(f"${self.cost:,.4f}")
        remaining = self.whole - self.before - self.done
        if remaining > 0 and self.done:
            parts.append(f"about {duration_text(remaining / self.rate)} left")
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
        # Output of libraries passes through the live display, which interprets escape sequences.
        self._streams = sys.stdout, sys.stderr
        guard_streams()


def rate_text(rate: float) -> str:
    """Format a rate (rows per second), a slow one in rows per minute or per hour."""
    if rate >= 10:
        return f"{rate:,.0f} rows/s"
    if rate >= 1:
        return f"{rate:.1f} rows/s"
    if rate * 60 >= 1:
        return f"{rate * 60:.1f} rows/min"
    return f"{rate * 3600:.1f} rows/h"


def duration_text(seconds: float) -> str:
    """Format a duration (seconds) in the unit that fits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
