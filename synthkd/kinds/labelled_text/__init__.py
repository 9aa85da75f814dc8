"""Labelled texts: training data for a classifier (the kind `labelled_text`)."""

from synthkd.kinds.labelled_text.kind import LabelledTextKind

__all__ = ["LabelledTextKind"]
