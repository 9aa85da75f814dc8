"""Errors of a connection, in the same words whichever client had it.

``billed`` is False if the request was not written completely: it cannot have been worked on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkd.teachers.dispatch import TransientError

if TYPE_CHECKING:
    from synthkd.teachers.remote.endpoint import Endpoint

#: Characters of an error of a connection.
_MAX_DETAIL = 500


def unreachable(endpoint: Endpoint) -> TransientError:
    """Return the error of an address that accepts no connection."""
    return TransientError(
        "unreachable",
        f"nothing answers at {endpoint.public}; is the server up, and teacher.base_url right?",
    )


def timed_out(seconds: float, is_written: bool) -> TransientError:
    """Return the error of a request without an answer in time."""
    return TransientError(
        "timeout", f"no answer in {seconds:g} s", billed=None if is_written else False
    )


def broken(endpoint: Endpoint, what: str, is_written: bool) -> TransientError:
    """Return the error of a connection that ended before the answer did."""
    # Masked, then truncated: truncated first, a part of a key could remain.
    detail = endpoint.mask(f"the connection broke: {what}")[:_MAX_DETAIL]
    return TransientError("connection", detail, billed=None if is_written else False)


def too_large(most: int) -> TransientError:
    """Return the error of a body beyond the recipe's bound."""
    return TransientError(
        "bad_response",
        f"the body is larger than teacher.max_answer_megabytes ({most / 1e6:g} MB), decoded",
        billed=None,
    )
