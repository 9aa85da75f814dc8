"""The errors that synthkd raises, with their exit statuses.

    SynthKDError
    ├── UserError                 the user can mend this (exit status 2)
    │   ├── RecipeError           a recipe is not valid
    │   ├── InputError            a file of rows is missing, broken or lacks a column
    │   ├── PromptError           a template is missing, does not parse or names an unknown variable
    │   ├── KindError             an unknown kind, relation or column
    │   ├── CriticError           a critic or label sheet does not fit its use, or was altered
    │   ├── PluginError           a plug-in returned what its contract does not allow
    │   ├── StudentError          a student, its rows or its checkpoint does not fit, or was altered
    │   └── MissingExtraError     an optional package is not installed
    ├── TeacherError              the teacher cannot be reached, or refuses all (exit status 3)
    │   ├── AuthenticationError   a key is missing or wrong
    │   ├── QuotaError            the account at the provider has no credit left
    │   ├── UnreachableError      nothing answers at that address
    │   ├── StalledError          no request succeeds any more, or too many fail for one reason
    │   └── RequestError          one request failed for good: an outcome, not an exception
    ├── StorageError              journal, run or corpus cannot be read or written (exit status 4)
    │   ├── JournalError          the journal is locked, altered or of another version
    │   └── DiskFullError         no space is left; committed data are kept
    ├── TrainingError             training failed; earlier results are kept (exit status 6)
    ├── GuaranteeError            the target precision is not guaranteed
    │   ├── NotReachableError     no threshold reaches it; nothing is published (exit status 5)
    │   └── WithdrawnError        shift; the corpus is published without it (exit status 7)
    └── Interrupted               Ctrl-C, SIGTERM, SIGHUP; the journal is kept (130, 143, 129)

Each message is one line: what happened, where, and what to do.

Example::

    try:
        synthkd.run(recipe)
    except synthkd.errors.TeacherError as error:
        print(error)  # The next run continues from the journal.
"""

from __future__ import annotations

import re
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthkd.reporting.safe_text import clean

#: Files whose lines are not the user's own.
_IS_LIBRARY = re.compile(
    rf"^{re.escape(str(Path(__file__).parent))}|site-packages|dist-packages|[/\\]lib[/\\]python"
)


class SynthKDError(Exception):
    """Base of all errors of synthkd.

    Its message is one line: what happened, where, and what to do.

    Example:
        >>> import synthkd
        >>> try:
        ...     synthkd.run("recipes.yaml")
        ... except synthkd.SynthKDError as error:
        ...     print(error)
        recipes.yaml: no such recipe
    """

    exit_status = 1

    def __str__(self) -> str:
        # Messages may contain texts of servers and files.
        return clean(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the message, and the user's line that led to it."""
        lines = [f"{type(self).__name__}: {self}"]
        frames = traceback.extract_tb(self.__traceback__)
        own = [frame for frame in frames if not _IS_LIBRARY.search(frame.filename)]
        if own and own[-1].line:
            where = "" if own[-1].name == "<module>" else f" ({own[-1].name})"
            lines.append(f"  in line {own[-1].lineno}{where}: {clean(own[-1].line)}")
        return lines


class UserError(SynthKDError):
    """The user can mend the cause."""

    exit_status = 2


class RecipeError(UserError):
    """A recipe is not valid."""


class InputError(UserError):
    """A file of rows is missing, broken or lacks a column."""


class NoRowsError(InputError):
    """No row is left to ask about."""


class NothingBoughtError(InputError):
    """A limit was reached before anything of a recipe was bought."""


class PromptError(UserError):
    """A template is missing, does not parse, or names a variable that no input has."""


class KindError(UserError):
    """An unknown kind, relation or column."""


class CriticError(UserError):
    """A critic or a label sheet does not fit what it is used for, or was altered."""


class PluginError(UserError):
    """A plug-in returned a value that its contract does not allow."""


class StudentError(UserError):
    """A student, its rows or its checkpoint does not fit what it is used for, or was altered."""


class MissingExtraError(UserError):
    """A package of an optional extra is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra {extra!r}: pip install 'synthkd[{extra}]'")
        self.extra = extra


def require_extra(feature: str, extra: str, *packages: str) -> None:
    """Raise MissingExtraError if a package cannot be found. No package is imported.

    Args:
        feature: What needs the packages, as the subject of the error's message.
        extra: The extra of synthkd that installs the packages.
        packages: Top-level module names.
    """
    if any(find_spec(name) is None for name in packages):
        raise MissingExtraError(feature, extra)


class TeacherError(SynthKDError):
    """The teacher cannot be reached, or refuses every request."""

    exit_status = 3
    #: Whether the provider may bill the attempt that failed; None if that is unknown.
    billed: bool | None = False


class AuthenticationError(TeacherError):
    """A key is missing or wrong."""


class QuotaError(TeacherError):
    """The account at the provider has no credit left."""


class UnreachableError(TeacherError):
    """Nothing answers at the teacher's address."""


class StalledError(TeacherError):
    """No request succeeds any more, or too many fail for one reason.

    Earlier answers are kept.
    """


class RequestError(TeacherError):
    """One request failed for good.

    Attributes:
        reason: A short name, such as ``context_too_long``.
        detail: The message of the server.
        parameter: The parameter that the server refuses, if its message names one.
    """

    def __init__(self, reason: str, detail: str, parameter: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.parameter = parameter


class StorageError(SynthKDError):
    """The journal, a run or a corpus cannot be read or written."""

    exit_status = 4


class JournalError(StorageError):
    """The journal is locked, altered, or was written by another version."""


class DiskFullError(StorageError):
    """No space is left on the disk. Committed data are kept."""


class TrainingError(SynthKDError):
    """A student's training failed, for example by a loss that is not a number.

    Earlier results are kept.
    """

    exit_status = 6


class GuaranteeError(SynthKDError):
    """The target precision is not guaranteed."""


class NotReachableError(GuaranteeError):
    """No threshold reaches the target precision; nothing is published."""

    exit_status = 5


class WithdrawnError(GuaranteeError):
    """The scored rows differ from the calibration rows.

    The corpus is published without the guarantee.
    """

    exit_status = 7


class Interrupted(SynthKDError):  # noqa: N818 (as KeyboardInterrupt)
    """A signal ended the run. All paid completions are in the journal."""

    exit_status = 130


def of_name(name: str, detail: str) -> SynthKDError:
    """Return the error of a class by name, as another process reported it."""
    named: Any = globals().get(name)
    is_known = isinstance(named, type) and issubclass(named, SynthKDError)
    error: SynthKDError = SynthKDError.__new__(named if is_known else SynthKDError)
    # Some classes make their message of other arguments.
    Exception.__init__(error, detail)
    return error


def nearest(word: str, names: list[str]) -> str:
    """Return a hint for a misspelt name.

    ``" (did you mean 'x'?)"``, or the known names if none is similar.
    """
    from difflib import get_close_matches

    same = [name for name in names if folded(name) == folded(word)]
    if close := same or get_close_matches(word, names, n=1, cutoff=0.6):
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(sorted(names))})" if names else ""


def folded(name: str) -> str:
    """Return a name for comparisons: without case, blanks, hyphens and underscores."""
    import re
    import unicodedata

    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\s_\-\ufeff\u200b-\u200f\u2060]+", "", text)
