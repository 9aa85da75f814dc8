"""What people write without this package: a token-classification fine-tune, and spaCy's trainer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.students.span_rows import bio_spans
from synthkd.students.spans import Spans, TaggedTexts, TypedSpan


def plain_fine_tune(
    base: str, train: TaggedTexts, texts: Sequence[str], types: Sequence[str], seed: int,
    epochs: int, lr: float, size: int,
) -> list[Spans]:  # fmt: skip
    """Fine-tune `AutoModelForTokenClassification` and tag texts with it.

    Labels stand at the first piece of each word, the rate falls linearly, and the most likely label
    of each word is taken. The words are those between blanks.
    """
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        get_linear_schedule_with_warmup,
    )

    torch.manual_seed(seed)
    names = ["O", *(f"{mark}-{name}" for name in types for mark in "BI")]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForTokenClassification.from_pretrained(base, num_labels=len(names))
    rows = [(text.split(" "), word_tags(text, spans)) for text, spans in zip(
        train.texts, train.spans, strict=True)]  # fmt: skip

    def encode(words: Sequence[list[str]]) -> Any:
        return tokenizer(
            list(words), is_split_into_words=True, truncation=True, padding=True,
            return_tensors="pt",
        )  # fmt: skip

    def firsts(encoded: Any, row: int) -> list[int | None]:
        ids, last, places = encoded.word_ids(row), None, []
        for word in ids:
            places.append(word if word is not None and word != last else None)
            last = word
        return places

    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01, fused=True)
    steps = -(-len(rows) // size) * epochs
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    order = random.Random(seed)
    model.train()
    for _ in range(epochs):
        order.shuffle(rows)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            encoded = encode([words for words, _ in batch])
            labels = [
                [-100 if word is None else names.index(tags[word])
                 for word in firsts(encoded, row)]
                for row, (_, tags) in enumerate(batch)
            ]  # fmt: skip
            loss = model(**encoded, labels=torch.tensor(labels)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval()
    found: list[Spans] = [()] * len(texts)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            chosen = by_length[start : start + 32]
            words = [texts[i].split(" ") for i in chosen]
            encoded = encode(words)
            best = model(**encoded).logits.argmax(-1).numpy()
            for row, i in enumerate(chosen):
                tags = ["O"] * len(words[row])
                for place, word in enumerate(firsts(encoded, row)):
                    if word is not None:
                        tags[word] = names[best[row, place]]
                found[i] = tag_spans(words[row], tags)
    return found


def spacy_trainer(
    train: TaggedTexts, texts: Sequence[str], types: Sequence[str], seed: int, epochs: int
) -> list[Spans]:
    """Train spaCy's entity recogniser from nothing with its defaults, and tag texts with it."""
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example
    from spacy.util import compounding, minibatch

    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    for name in types:
        (nlp.get_pipe("ner") if nlp.has_pipe("ner") else nlp.add_pipe("ner")).add_label(name)
    examples = [
        Example.from_dict(
            Doc(nlp.vocab, words=text.split(" ")),
            {"entities": [(one.start, one.end, one.type) for one in spans]},
        )
        for text, spans in zip(train.texts, train.spans, strict=True)
    ]
    optimizer = nlp.initialize(lambda: examples)
    order = random.Random(seed)
    for _ in range(epochs):
        order.shuffle(examples)
        for batch in minibatch(examples, compounding(4.0, 16.0, 1.001)):
            nlp.update(batch, drop=0.1, sgd=optimizer)
    found = []
    for text in texts:
        document = nlp(Doc(nlp.vocab, words=text.split(" ")))
        found.append(
            tuple(TypedSpan(one.start_char, one.end_char, one.label_) for one in document.ents)
        )
    return found


def word_tags(text: str, spans: Spans) -> list[str]:
    """Return the BIO tag of each word between blanks."""
    tags, place = [], 0
    for word in text.split(" "):
        inside = next((one for one in spans if one.start <= place < one.end), None)
        mark = "B" if inside is not None and inside.start == place else "I"
        tags.append("O" if inside is None else f"{mark}-{inside.type}")
        place += len(word) + 1
    return tags


def tag_spans(words: Sequence[str], tags: Sequence[str]) -> Spans:
    """Return the spans of the tags of words that blanks join."""
    starts = np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()
    return tuple(
        TypedSpan(starts[a], starts[b - 1] + len(words[b - 1]), name)
        for a, b, name in bio_spans(tags)
    )
