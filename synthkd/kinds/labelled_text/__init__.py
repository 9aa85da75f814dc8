"""Labelled texts: training data for a classifier (the kind `labelled_text`).

`kind` is the plug-in, `taxonomy` the classes and the files that name them, `answers` reads texts.
"""

from synthkd.kinds.labelled_text.kind import LabelledTextKind

__all__ = ["LabelledTextKind"]
