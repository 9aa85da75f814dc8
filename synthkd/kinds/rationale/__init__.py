"""Answers in completions: where the answer stands, what it is, and when two answers are the same.

    completion ─► clean text ─► cut ─► answer phrase ─► number | choice | yes_no | text | expression

Nothing here raises, whatever the text, and nothing is evaluated but by the parser in `arithmetic`.
"""
