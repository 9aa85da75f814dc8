"""Classifiers: a linear baseline and any encoder, fine-tuned."""
