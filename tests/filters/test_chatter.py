"""Texts of a model that speaks as an assistant, about its task, or repeats its instruction."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from support.files import ROOT

from synthkd.corpora.schema import candidate_schema
from synthkd.filters.chatter import Chatter
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.prompts import load_prompt
from synthkd.rows import read_rows

KIND = LabelledTextKind()
BANKING = Path(os.environ.get("SYNTHKD_DATA", ROOT.parent / "shared" / "data")) / "banking77"


def reason(text: str, rule: Chatter | None = None) -> str | None:
    rows = pa.RecordBatch.from_pylist(
        [{"text": text, "label": "refund"}], schema=candidate_schema(KIND)
    )
    return (rule or Chatter()).reject(rows, KIND)[0]


@pytest.mark.parametrize(
    "text",
    [
        "I'd be happy to help you with that.",
        "Certainly! Here is a message about a refund.",
        "I'm here to assist you with any questions.",
        "How can I help you today?",
        "I am a helpful AI designed to answer questions.",
        "I'm sorry for the confusion.",
        "My refund is late. Please let me know if you have any questions.",
    ],
)
def test_an_assistant_is_rejected(text: str) -> None:
    assert (reason(text) or "").startswith("speaks as an assistant")


@pytest.mark.parametrize(
    "text",
    [
        "Here's a new text for the class:",
        "The text is about a person who wants a refund.",
        "Rewrite the previous text in a shorter form.",
        "This sentence conveys frustration.",
        "A person has just sent a text:",
        'A message of the class "refund"',
        "Dear [Your Name], where is my refund?",
    ],
)
def test_talk_about_the_task_is_rejected(text: str) -> None:
    assert (reason(text) or "").startswith("talks about its task")


@pytest.mark.parametrize(
    "text",
    [
        "I'd be happy if you could refund me.",
        "I would be glad to get my money back.",
        "Can you help me with my refund?",
        "I got a text message from you that I do not understand.",
        "Here is my card number, what now?",
        "This is the third message I send!",
        "I'm sorry, my card has not come.",
        "Sure, but when does my refund come?",
        "The customer service said it would be two days.",
        "Please let me know when you charge extra for payments.",
        "I am an assistant manager and my card is blocked.",
        "Is there a class of cards with lower fees?",
    ],
)
def test_sentences_of_customers_pass(text: str) -> None:
    assert reason(text) is None


def test_a_repeated_instruction_is_rejected() -> None:
    rule = Chatter()
    rule.use_prompt(load_prompt("labelled_text/chat").instruction, ())
    text = "Write a new text, with other words and about something else than my refund"
    assert reason("Answer with the text alone.", rule) is not None
    assert reason(text, rule) is not None
    copied = "with other words and about something else"
    assert reason(copied, Chatter(repeated=1)) is not None


def test_the_words_of_an_instruction_in_a_longer_text_pass() -> None:
    rule = Chatter()
    rule.use_prompt("The customer has lost a card and asks what to do.", ())
    assert reason("I have lost a card and wonder who can send me another by Friday", rule) is None
    assert reason("The customer has lost a card", rule) is not None


@pytest.mark.slow
@pytest.mark.skipif(not BANKING.is_dir(), reason="needs the rows of banking77")
def test_real_queries_pass() -> None:
    texts = [row["text"] for part in read_rows(BANKING / "train.parquet", ["text"]) for row in part]
    rows = pa.RecordBatch.from_pylist(
        [{"text": text, "label": "x"} for text in texts], schema=candidate_schema(KIND)
    )
    rejected = [one for one in Chatter().reject(rows, KIND) if one is not None]
    assert len(rejected) <= 0.001 * len(texts)
