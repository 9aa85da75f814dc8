"""Send requests side by side: as many as the server bears, within the limits, and again what may succeed."""

from synthkd.teachers.dispatch.retry import Policy, TransientError, UnfinishedError, failures, retry_after
from synthkd.teachers.dispatch.scheduler import GONE_AFTER, Send, dispatch

__all__ = [
    "GONE_AFTER",
    "Policy",
    "Send",
    "TransientError",
    "UnfinishedError",
    "dispatch",
    "failures",
    "retry_after",
]
