"""Dispatch: send requests concurrently, within the limits, and retry those that may succeed.

Modules: `scheduler` (the loop), `concurrency` (requests in flight), `rate_limits` (requests and
tokens per minute), `retry` (what is retried, and when), `circuit_breaker` (when to stop the run).
"""

from synthkd.teachers.dispatch.retry import (
    DispatchPolicy,
    PartialAnswerError,
    TransientError,
    failures_for,
    parse_retry_after,
)
from synthkd.teachers.dispatch.scheduler import MAX_UNREACHED, Send, dispatch

__all__ = [
    "MAX_UNREACHED",
    "DispatchPolicy",
    "PartialAnswerError",
    "Send",
    "TransientError",
    "dispatch",
    "failures_for",
    "parse_retry_after",
]
