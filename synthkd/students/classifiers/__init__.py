"""Classifiers: linear models on words or vectors, and fine-tuned encoders."""
