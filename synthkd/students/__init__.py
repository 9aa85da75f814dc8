"""Students: small models that are trained on a corpus.

Classifiers (`classifiers/`) learn labelled text, generators (`generators/`) any kind of knowledge; a generator's
checkpoint is a teacher for the next run. `metrics/` judges them, `objectives/` holds the losses.
"""
