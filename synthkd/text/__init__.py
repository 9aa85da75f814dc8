"""Text: normal forms, nouns, number words, JSON in text, thoughts, near-duplicates, TF-IDF."""
