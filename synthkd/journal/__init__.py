"""The journal: a durable store of completions, addressed by the content of their requests.

SQLite in WAL mode with full synchronisation. One writer commits in groups, and a completion is on
disk before anything reads it. Success never deletes anything, so a later run finds every answer
that was paid for.

schema       the tables, and steps from older versions
open         open the SQLite file
guard        refuse foreign files; notice a file that is gone
values       values that a journal can hold
ledger       what runs have paid and reserved
claim        which process is at a run
read         queries
columns      completions as columns, for filtering
connection   transactions
writes       what is committed, encoded where it is asked for
store        `Journal`: reservations and answers
commits      one thread that commits for all
writer       the asynchronous interface, and the account of a run
remote       one process that writes for all workers
batches      batches of a Batch API
exchange     export and import
parts        export what was committed since the last export
leases       parts of a run's caps that are spent through other journals
"""

from synthkd.journal.ledger import Caps, Spending
from synthkd.journal.read import JournalCounts
from synthkd.journal.store import Journal
from synthkd.journal.writer import JournalWriter
from synthkd.journal.writes import Reservation

__all__ = ["Caps", "Journal", "JournalCounts", "JournalWriter", "Reservation", "Spending"]
