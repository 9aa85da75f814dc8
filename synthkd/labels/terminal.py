"""Read single keys from a terminal or a pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

END = ""


class TerminalKeys:
    """The keys typed on a terminal, without Return, or the characters of a pipe, without line ends.

    Use as a context manager: the terminal's settings are restored at the end of the block.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdin
        self._saved: list[Any] | None = None
        self._handler: Any = None
        try:
            self._number: int | None = self._stream.fileno()
        except (OSError, ValueError):
            self._number = None

    def __enter__(self) -> TerminalKeys:
        if termios is not None and self._number is not None and os.isatty(self._number):
            self._saved = termios.tcgetattr(self._number)
            tty.setcbreak(self._number)
            # A background process of a shell inherits SIGINT as ignored, which would disable
            # Ctrl-C.
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                self._handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._saved is not None and self._number is not None:
            termios.tcsetattr(self._number, termios.TCSADRAIN, self._saved)
            self._saved = None
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def key(self) -> str:
        """Return the next key; ``END`` at the end of the stream or for Ctrl-D."""
        while True:
            read = self._read()
            if read in ("", "\x04"):
                return END
            if read == "\x1b":
                self._skip_sequence()
            elif not read.isspace():
                return read

    def line(self, ask: Callable[[], None] = lambda: None) -> str:
        """Read the rest of a line, with line editing on a terminal.

        Args:
            ask: Print the question. Called after line editing is on, so that all input is edited.
        """
        if self._saved is not None and self._number is not None:
            current = termios.tcgetattr(self._number)
            edited = list(self._saved)
            # Echo escape sequences in pasted text as `^[`.
            edited[3] |= termios.ECHOCTL
            termios.tcsetattr(self._number, termios.TCSADRAIN, edited)
            try:
                ask()
                return self._line()
            finally:
                termios.tcsetattr(self._number, termios.TCSADRAIN, current)
        ask()
        return self._line()

    def _line(self) -> str:
        data = b""
        while (read := self._byte()) not in (b"", b"\n", b"\r"):
            data += read
        return data.decode("utf-8", "replace").strip()

    def _read(self) -> str:
        first = self._byte()
        if first and first[0] >= 0xC0:
            for _ in range(1 + (first[0] >= 0xE0) + (first[0] >= 0xF0)):
                first += self._byte()
        return first.decode("utf-8", "replace")

    def _byte(self) -> bytes:
        if self._number is not None:
            return os.read(self._number, 1)
        return self._stream.read(1).encode("utf-8")

    def _skip_sequence(self) -> None:
        """Skip the bytes of an arrow or function key after Escape.

        The sequence is `[` or `O`, up to a letter or `~`.
        """
        import select

        if self._number is None or self._saved is None:
            return
        if select.select([self._number], [], [], 0.02)[0] and self._byte() in (b"[", b"O"):
            while (read := self._byte()) and not b"@" <= read <= b"~":
                pass
