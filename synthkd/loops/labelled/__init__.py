"""The loop over labelled text: a classifier is the student, and its errors decide the next texts."""
