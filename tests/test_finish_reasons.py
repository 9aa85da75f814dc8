"""Only finish reasons that are known to mean "whole" pass as whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.finish_reasons import MISSING, Finish, meaning_of, why_not_whole


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("stop", Finish.WHOLE),
        ("STOP", Finish.WHOLE),
        ("FinishReason.STOP", Finish.WHOLE),
        ("end_turn", Finish.WHOLE),
        ("stop_sequence", Finish.WHOLE),
        ("eos_token", Finish.WHOLE),
        ("COMPLETE", Finish.WHOLE),
        ("eosFound", Finish.WHOLE),
        ("recorded", Finish.WHOLE),
        ("length", Finish.CUT),
        ("MAX_TOKENS", Finish.CUT),
        ("FINISH_REASON_MAX_TOKENS", Finish.CUT),
        ("max-tokens", Finish.CUT),
        ("model_length", Finish.CUT),
        ("model_context_window_exceeded", Finish.CUT),
        ("SAFETY", Finish.WITHHELD),
        ("RECITATION", Finish.WITHHELD),
        ("guardrail_intervened", Finish.WITHHELD),
        ("error", Finish.FAILED),
        ("abort", Finish.FAILED),
        ("insufficient_system_resource", Finish.FAILED),
        ("tool_calls", Finish.OPEN),
        ("function_call", Finish.OPEN),
        ("pause_turn", Finish.OPEN),
        ("OTHER", Finish.UNKNOWN),
        ("stopped_by_admin", Finish.UNKNOWN),
        ("", Finish.UNKNOWN),
        (None, Finish.UNKNOWN),
        (MISSING, Finish.UNKNOWN),
    ],
)
def test_the_words_of_providers_are_known_in_any_case(reason: str | None, meaning: Finish) -> None:
    assert meaning_of(reason) is meaning
    assert (why_not_whole(reason) is None) == (meaning is Finish.WHOLE)


@given(st.text(max_size=30))
@settings(max_examples=60)
def test_a_word_that_no_provider_gives_is_never_trusted(word: str) -> None:
    assert meaning_of("x" + word + "q") is Finish.UNKNOWN
    assert repr("x" + word) in str(why_not_whole("x" + word)) or meaning_of("x" + word) is not Finish.UNKNOWN
