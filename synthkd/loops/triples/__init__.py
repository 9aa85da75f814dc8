"""The loop for triples: a generator student, a critic that prunes, and an examiner in place of people.

The pool of questions (`questions`) is parted by heads; the student's answers on heads that the teacher is never asked about
are scored (`answers`, `examiner`); what a round asks for is decided by `asking` and `allocate`.
"""
