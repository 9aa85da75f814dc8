"""The journal: a durable store of completions, addressed by the content of what was sent.

SQLite in WAL mode with full synchronisation. One writer commits in groups; a completion is on disk before
anything reads it. Nothing is ever deleted by success, so a later run finds every answer that was paid for.
"""

from synthkd.journal.read import JournalCounts
from synthkd.journal.store import Journal
from synthkd.journal.writer import Writer

__all__ = ["Journal", "JournalCounts", "Writer"]
