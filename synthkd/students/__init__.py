"""Students: the small models that are trained on a corpus, and what they are trained to do."""
