"""Only finish reasons that are known to mean "whole" pass as whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.finish_reasons import MISSING, Finish, meaning_of, why_incomplete


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("stop", Finish.COMPLETE),
        ("STOP", Finish.COMPLETE),
        ("FinishReason.STOP", Finish.COMPLETE),
        ("end_turn", Finish.COMPLETE),
        ("stop_sequence", Finish.COMPLETE),
        ("eos_token", Finish.COMPLETE),
        ("COMPLETE", Finish.COMPLETE),
        ("eosFound", Finish.COMPLETE),
        ("recorded", Finish.COMPLETE),
        ("length", Finish.TRUNCATED),
        ("MAX_TOKENS", Finish.TRUNCATED),
        ("FINISH_REASON_MAX_TOKENS", Finish.TRUNCATED),
        ("max-tokens", Finish.TRUNCATED),
        ("model_length", Finish.TRUNCATED),
        ("model_context_window_exceeded", Finish.TRUNCATED),
        ("SAFETY", Finish.FILTERED),
        ("RECITATION", Finish.FILTERED),
        ("guardrail_intervened", Finish.FILTERED),
        ("error", Finish.FAILED),
        ("abort", Finish.FAILED),
        ("insufficient_system_resource", Finish.FAILED),
        ("tool_calls", Finish.UNFINISHED),
        ("function_call", Finish.UNFINISHED),
        ("pause_turn", Finish.UNFINISHED),
        ("OTHER", Finish.UNKNOWN),
        ("stopped_by_admin", Finish.UNKNOWN),
        ("", Finish.UNKNOWN),
        (None, Finish.UNKNOWN),
        (MISSING, Finish.UNKNOWN),
    ],
)
def test_the_words_of_providers_are_known_in_any_case(reason: str | None, meaning: Finish) -> None:
    assert meaning_of(reason) is meaning
    assert (why_incomplete(reason) is None) == (meaning is Finish.COMPLETE)


@given(st.text(max_size=30))
@settings(max_examples=60)
def test_a_word_that_no_provider_gives_is_never_trusted(word: str) -> None:
    assert meaning_of("x" + word + "q") is Finish.UNKNOWN
    assert (
        repr("x" + word) in str(why_incomplete("x" + word))
        or meaning_of("x" + word) is not Finish.UNKNOWN
    )
