"""Taggers: students that find the spans of texts.

units          words of a text, BIO labels, the best sequence of labels
windows        texts as windows of tokens that overlap
module         encoder, head and loss
training       train an encoder to tag
self_training  two students that agree, and prototypes (ATSEN, ProKD)
spacy_base     the tagger on spaCy's trainer
options        options of the student
student        the student `tagger`
retrieval      rows by entity type, and recall@k (NERetrieve)
"""
