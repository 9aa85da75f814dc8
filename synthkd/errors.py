"""Every error that synthkd raises on purpose.

    SynthKDError
    ├── UserError                 something to mend by the person who ran it (exit status 2)
    │   ├── RecipeError           a recipe says something that cannot be
    │   ├── InputError            a file of rows is missing, broken or lacks a column
    │   ├── PromptError           a template is missing, does not parse or names an unknown variable
    │   ├── KindError             an unknown kind, relation or column
    │   ├── CriticError           a critic or label sheet does not fit, or was altered
    │   ├── StudentError          a student, its rows or its checkpoint does not fit, or was altered
    │   └── MissingExtraError     an optional package is not installed
    ├── TeacherError              the teacher cannot be reached or refuses (exit status 3)
    │   ├── AuthenticationError   a key is missing or wrong
    │   ├── QuotaError            the account at the provider has no credit left
    │   ├── UnreachableError      nothing answers at that address
    │   ├── StalledError          nothing succeeds any more, or too much fails for one reason
    │   └── RequestError          one request failed for good; it becomes an outcome, not an exception
    ├── StorageError              the journal, a run or a corpus cannot be read or written (exit status 4)
    │   ├── JournalError          the journal is locked, altered or of another version
    │   └── DiskFullError         no space is left; what was committed is kept
    ├── TrainingError             a student's training went wrong; what was good before it is kept (exit status 6)
    ├── GuaranteeError            the target precision is not guaranteed
    │   ├── NotReachableError     no threshold keeps it; nothing is published (exit status 5)
    │   └── WithdrawnError        what was scored is unlike the calibration rows; the corpus says so (exit status 7)
    └── Interrupted               Ctrl-C, SIGTERM, SIGHUP; what was paid for is in the journal (130, 143, 129)

Each message is one line: what happened, where, and what to do.
"""

from __future__ import annotations

from importlib.util import find_spec

from synthkd.reporting.safe_text import clean


class SynthKDError(Exception):
    """Base of all errors raised on purpose."""

    exit_status = 1

    def __str__(self) -> str:
        # Texts of servers and files stand in messages.
        return clean(super().__str__())


class UserError(SynthKDError):
    """Something that the person who ran it can mend."""

    exit_status = 2


class RecipeError(UserError):
    """A recipe says something that cannot be."""


class InputError(UserError):
    """A file of rows is missing, broken or lacks a column."""


class PromptError(UserError):
    """A template is missing, does not parse, or names a variable that no input has."""


class KindError(UserError):
    """An unknown kind, relation or column."""


class CriticError(UserError):
    """A critic or a label sheet does not fit what it is used for, or was altered."""


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
    #: Whether the provider may bill the attempt that ended so; None if nobody knows.
    billed: bool | None = False


class AuthenticationError(TeacherError):
    """A key is missing or wrong."""


class QuotaError(TeacherError):
    """The account at the provider has no credit left."""


class UnreachableError(TeacherError):
    """Nothing answers at the teacher's address."""


class StalledError(TeacherError):
    """Nothing succeeds any more, or too much fails for one reason. What came is kept."""


class RequestError(TeacherError):
    """One request failed for good. ``reason`` is a short name such as ``context_too_long``."""

    def __init__(self, reason: str, detail: str, parameter: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        #: The parameter that the server refuses, as far as its words tell.
        self.parameter = parameter


class StorageError(SynthKDError):
    """The journal, a run or a corpus cannot be read or written."""

    exit_status = 4


class JournalError(StorageError):
    """The journal is locked, altered, or was written by another version."""


class DiskFullError(StorageError):
    """No space is left. What was committed before is kept."""


class TrainingError(SynthKDError):
    """A student's training went wrong: a loss that is no number, say. What was good before it is kept."""

    exit_status = 6


class GuaranteeError(SynthKDError):
    """The target precision is not guaranteed."""


class NotReachableError(GuaranteeError):
    """No threshold keeps the target precision; nothing is published."""

    exit_status = 5


class WithdrawnError(GuaranteeError):
    """What was scored is unlike the calibration rows. The corpus is written, and says so."""

    exit_status = 7


class Interrupted(SynthKDError):
    """Ctrl-C. Everything that was paid for is in the journal."""

    exit_status = 130


def nearest(word: str, known: list[str]) -> str:
    """A hint for a misspelt name: ``" (did you mean 'x'?)"``, or the known names where none is near."""
    from difflib import get_close_matches

    same = [name for name in known if folded(name) == folded(word)]
    if close := same or get_close_matches(word, known, n=1, cutoff=0.6):
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(sorted(known))})" if known else ""


def folded(name: str) -> str:
    """A name without case, blanks, joining signs and characters that cannot be seen: ``Head``, ``head `` and ``head`` agree."""
    import re
    import unicodedata

    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\s_\-\ufeff\u200b-\u200f\u2060]+", "", text)
