"""The loop for triples: a generator student, and a critic in place of people.

The pool of questions (`questions`) is parted by heads; the student's answers on heads that the teacher is never asked about
are scored by the critic (`answers`); what a round asks for is decided by `allocate`.
"""
