"""Step-by-step rationales and their answers (the kind `rationale`).

module                                    subject
----------------------------------------  --------------------------------------------------
`kind`                                    the plug-in
`answers`, `answer_phrases`               the answer of a completion: its type, place and value
`number_answers`, `numerals`, `number_*`  answers that are numbers
`before_number`, `after_number`           words around a number that change its reading
`choices`, `choice_answers`,              answers that name a choice
`choice_words`
`word_answers`                            yes, no and free text
`equations`, `tokens`, `arithmetic`,      equations of the steps, and expressions as answers
`trees`, `expression`
"""

from synthkd.kinds.rationale.kind import RationaleKind

__all__ = ["RationaleKind"]
