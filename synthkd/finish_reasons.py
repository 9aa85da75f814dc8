"""Finish reasons: whether a text is complete, in the words of all large providers.

Only a reason that is known to mean "complete" passes. Case, blanks, hyphens and prefixes such as
``FinishReason.`` do not count.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

#: The finish reason of a completion whose server gives none.
MISSING = "unknown"
#: The finish reason of a text that is whole.
STOP = "stop"
#: The finish reason of a completion that was read from a file.
RECORDED = "recorded"


class Finish(StrEnum):
    """Meaning of a finish reason."""

    #: The model ended the text.
    COMPLETE = "complete"
    #: A limit on tokens or time ended the text.
    TRUNCATED = "truncated"
    #: A filter of the provider, or the model's refusal, keeps the text back.
    FILTERED = "filtered"
    #: The server failed while it wrote the text; another attempt may succeed.
    FAILED = "failed"
    #: The model wants to call a tool or to continue.
    UNFINISHED = "unfinished"
    #: Not a word of a provider in this table.
    UNKNOWN = "unknown"


_TABLE = {
    # OpenAI, vLLM, SGLang; Anthropic, Bedrock; Gemini; Cohere; TGI, watsonx; AI21; Titan; ERNIE;
    # llama.cpp; LM Studio.
    Finish.COMPLETE: "stop eos end_turn stop_sequence complete completed eos_token endoftext"
    " end_of_text end_of_turn"
    " stop_token stop_word stop_words stop_string stop_criteria eos_found stop_string_found word"
    " finish finished"
    " finish_stop normal succeeded success done recorded",
    # OpenAI; Anthropic, Gemini; Mistral; watsonx; llama.cpp; LM Studio; TensorRT-LLM.
    Finish.TRUNCATED: "length max_tokens max_output_tokens max_completion_tokens max_new_tokens"
    " max_length model_length"
    " token_limit limit context_length context_length_reached model_context_window_exceeded"
    " error_limit"
    " max_predicted_tokens_reached time_limit timeout time_out not_finished incomplete truncated"
    " repetition",
    # OpenAI, Azure; Anthropic; Gemini; Bedrock; Cohere; Zhipu.
    Finish.FILTERED: "content_filter content_filtered refusal safety recitation blocklist"
    " prohibited_content spii"
    " image_safety language guardrail_intervened guardrails error_toxic sensitive moderation"
    " blocked"
    " content_policy content_policy_violation",
    # OpenRouter, Mistral; vLLM, SGLang; DeepSeek; Zhipu; Bedrock; watsonx, Cohere; LM Studio.
    Finish.FAILED: "error abort aborted insufficient_system_resource insufficient_system_resources"
    " network_error"
    " server_error internal_error malformed_model_output malformed_response cancelled canceled"
    " user_cancel"
    " user_stopped model_unloaded failed unload load engine_overloaded overloaded rate_limit",
    # OpenAI; Anthropic; Cohere; Gemini.
    Finish.UNFINISHED: "tool_calls tool_call tool_use function_call pause_turn"
    " malformed_function_call"
    " unexpected_tool_call too_many_tool_calls",
}
_KNOWN = {
    word.replace("_", ""): meaning for meaning, words in _TABLE.items() for word in words.split()
}
_PREFIX = re.compile(r"^(finish|stop)[\s_-]?reason[\s._:-]+", re.IGNORECASE)


@lru_cache(1024)
def meaning_of(reason: str | None) -> Finish:
    """Return the meaning of a finish reason: `Finish.UNKNOWN` if missing or no provider's word."""
    word = _PREFIX.sub("", (reason or "").strip())
    return _KNOWN.get(re.sub(r"[\s_.-]", "", word).lower(), Finish.UNKNOWN)


def why_incomplete(reason: str | None) -> str | None:
    """Return why a text with this finish reason is not known to be complete; None if it is."""
    meaning = meaning_of(reason)
    if meaning is Finish.COMPLETE:
        return None
    if meaning is Finish.TRUNCATED:
        return "cut by max_tokens" if reason == "length" else f"cut by a limit ({reason})"
    if meaning is Finish.UNKNOWN and reason in (None, "", MISSING):
        return "the server does not say how the text ended"
    if meaning is Finish.UNKNOWN:
        return f"the text ended with {reason!r}, which is not known to mean that it is whole"
    return f"the text ended with {reason!r}"
