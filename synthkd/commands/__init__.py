"""Implementations of single verbs of the command line.

module                         subject
-----------------------------  -------------------------------------------------------------
`init`, `dry_run`, `probe`     before a run: an example, all prompts, an estimate of the whole
`reach`                        hosts, variables, programs and paths that a recipe would use
`show`, `describe`             after a run: corpora and lineage; plug-ins and their options
`export`                       rows of a corpus by split, condition and columns
`segment`, `segment_coverage`  documents in, propositions out; what became of each sentence
`pairs`                        pairs of things worth comparing
"""
