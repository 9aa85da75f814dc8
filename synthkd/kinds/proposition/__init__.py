"""Self-contained propositions in a passage (the kind `proposition`).

module                                    subject
----------------------------------------  --------------------------------------------------
`kind`                                    the plug-in
`markup`, `blocks`, `markdown`, `rst`     a document as blocks
`sentences`, `units`                      sentences with their places, and chunks of them
`groups`, `json_groups`, `alignment`      an answer as propositions of each sentence
`completions`                             propositions as an answer: few-shot rows, students
`claims`                                  properties that rules check
"""

from synthkd.kinds.proposition.kind import PropositionKind

__all__ = ["PropositionKind"]
