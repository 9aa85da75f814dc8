"""Tests of refusals: texts that are no answer go; knowledge that begins alike stays."""

from __future__ import annotations

import pyarrow as pa
import pytest

from synthkd.filters.refusal import Refusal, why_no_answer
from synthkd.kinds.triple import TripleKind

NO_ANSWERS = [
    "As an AI language model, I have no hands.",
    "I'm just a language model and cannot taste bread.",
    "I'm sorry, but I can't assist with that request.",
    "I am unable to answer this.",
    "I cannot answer",
    "I can’t help with that.",
    "Unfortunately, I cannot provide medical advice.",
    "I do not have access to real-time data.",
    "I must decline to answer.",
    "I don't know.",
    "I'm not sure.",
    "No idea",
    "There is not enough information to answer the question.",
    "None",
    '"None"',
    "**null**",
    "undefined",
    "N/A",
    "NaN",
    "unknown.",
    "[no answer]",
    "Sure! Here is a list:",
    "Certainly, here are some examples:",
    "Here's a possible answer:",
    "Sure!",
    "Error: connection timed out",
    "HTTP 429: Too Many Requests",
    "rate limit exceeded",
    "Internal server error",
    "An error occurred while processing your request.",
    "The request timed out.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "抱歉，我无法回答这个问题",
    "我不能提供这些信息",
    "मुझे खेद है, मैं उत्तर नहीं दे सकता",
    "عذرًا، لا أستطيع الإجابة",
    "Het spijt me, maar ik kan daar niet bij helpen",
    "Unable to determine from the text given.",
    "It is not possible to say",
    "There is no answer.",
    "[tail]",
    "<your answer here>",
    "[removed]",
    "{{ answer }}",
    "Please provide the text.",
    "How can I help you today?",
    "I'm ChatGPT, a model by OpenAI.",
    "As an AI assistant, I have no kitchen.",
    "An error occurred.",
    "Error 503: service unavailable",
    "申し訳ありませんが、お答えできません",
]
ANSWERS = [
    "",
    "cutting bread",
    "none of the doors",
    "nonetheless",
    "no idea of the price",
    "null hypothesis",
    "unknown territory",
    "nil by mouth",
    "not knowing the way",
    "an error in the books",
    "the request of a friend",
    "error on my statement",
    "an error occurred when I paid",
    "service unavailable for the elderly",
    "error 404 page",
    "as an assistant manager",
    "I am an AI researcher",
    "unable to find the card",
    "please provide me with a new card",
    "the answer to a question",
    "unclear water",
    "deleted scenes",
    "a server",
    "ok",
    "yes",
    "of course",
    "sure thing, see you at eight",
    "here is home",
    "as a language teacher",
    "an AI researcher",
    "assistant manager",
    "I'm sorry, my card has not come",
    "I don't know my PIN",
    "I don't know why my transfer failed",
    "I can't log in to my account",
    "I cannot withdraw cash",
    "I am unable to make a transfer",
    "I am not able to verify my identity",
    "I don't have access to my phone",
    "I'm not sure how to top up my card",
    "I do not feel comfortable verifying my identity.",
    "Can you help me with this?",
    "The answer is 7.",
]


@pytest.mark.parametrize("text", NO_ANSWERS)
def test_a_text_that_is_no_answer_is_rejected(text: str) -> None:
    assert why_no_answer(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_that_begins_like_a_refusal_passes(text: str) -> None:
    assert why_no_answer(text) is None


def test_the_rule_looks_at_the_text_of_its_kind_and_says_why() -> None:
    tails = ["cutting bread", "None", "I cannot answer"]
    rows = pa.RecordBatch.from_pylist(
        [
            {
                "head": "none",
                "relation": "UsedFor",
                "tail": tail,
                "finish_reason": "stop",
                "raw": tail,
            }
            for tail in tails
        ]
    )
    assert Refusal().reject(rows, TripleKind()) == [None, "is a placeholder", "refuses"]
