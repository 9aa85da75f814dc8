"""The loop for triples: a generator student, a critic that prunes, and an automatic examiner.

The pool of questions (`questions`) is split by heads. The student's answers for heads that the
teacher is never asked about are scored (`answers`, `evaluation_questions`); `question_pool` chooses
the questions of a round.
"""
