"""Parameters that a server takes, learned from its refusals.

Servers of the protocol differ in few points: the field of the token limit, and whether a request
may ask for several choices. Refusals, which are not billed, are remembered for the run. They change
the form of a request, never its key, so that later runs find the completions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: The two fields of the token limit.
TOKEN_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
#: Requests for several choices that are repeated with one choice, after a refusal that names no
#: parameter.
_PROBES = 4
_REFUSED = re.compile(
    r"unsupported|not supported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not"
    r" allowed|not enabled"
    r"|extra[_ ](inputs|fields|forbidden)|invalid (parameter|argument|field)|deprecated|instead|no"
    r" longer|not available"
    r"|only the default|only [\d.]+ is|(may|can) only be|must be|should be|unavailable|does not"
    r" accept|cannot be used|incompatible",
    re.IGNORECASE,
)
#: A value out of its range does not mean that the parameter is unknown.
_RANGE = re.compile(
    r"too (large|long|small)|at most|at least|less than|greater than|exceed|maximum|minimum",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"[`'\"]n[`'\"]|\bn\s*(>|=|must|should|is not|parameter)|only one (completion"
    r" )?(choice|candidate)"
    r"|(multiple|several)"
    r" (completions?|choices|candidates|generations)|candidate_?count|num_return_sequences"
    r"|number of (choices|completions|candidates)"
    r"|(permitted|(unknown|unsupported|unrecogni[sz]ed) (parameter|argument|field)s?("
    r" supplied)?)\W{1,3}n\W*$",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"system (role|message|prompt|instruction)s?\b.{0,60}\b(not|un\w+)\b"
    r"|(not|un)\s?support.{0,40}\bsystem\b"
    r"|role.{0,40}[`'\"]system[`'\"]|[`'\"]system[`'\"].{0,40}role"
    r"|(developer|system) instruction is not enabled"
    r"|roles must alternate|only user and assistant roles",
    re.IGNORECASE | re.DOTALL,
)
#: A parameter's name in a refusal -> the field of the recipe, and what to do with it.
_REMEDIES = {
    "temperature": ("temperature", "set it to 1, or to null to leave it out"),
    "top_p": ("top_p", "leave it out"),
    "top_k": ("top_k", "leave it out"),
    "presence_penalty": ("presence_penalty", "leave it out"),
    "frequency_penalty": ("frequency_penalty", "leave it out"),
    "stop": ("stop", "leave it out, and `stop` in the template's head"),
    "seed": ("seed", "set it to null, so that none is sent"),
    "top_logprobs": ("logprobs", "set it to false"),
    "logprobs": ("logprobs", "set it to false"),
    "reasoning_effort": ("reasoning_effort", "leave it out, or name an effort that the model has"),
    "structured_outputs": ("regex", "leave regex, grammar and teacher.constrained out"),
    "response_format": ("response_format", "leave it out, and teacher.structured too"),
    "json_schema": ("response_format", "leave it out, and teacher.structured too"),
    "max_tokens": ("max_tokens",
    "teacher.token_limit names the field in which the server takes it"),
    "max_completion_tokens": ("max_tokens", "teacher.token_limit names the field in which the"
        " server takes it"),
}  # fmt: skip
_NAMES = "|".join(sorted(_REMEDIES, key=len, reverse=True))
_NAMED = re.compile(rf"(?<![\w-])({_NAMES})(?![\w-])", re.IGNORECASE)


def refused_parameter(message: str, param: str) -> str:
    """Return the parameter that a refusal is about.

    Args:
        message: The message of the server's error.
        param: The field ``param`` of the error.

    Returns:
        A name of `_REMEDIES`, ``n``, ``system``; "" if the refusal names none.
    """
    text = message[:500]
    last = param.rpartition(".")[2].lower()
    if last in ("role", "system") or (_ROLE.search(text) and not _NAMED.fullmatch(last)):
        return "system" if _ROLE.search(text) or last == "system" else ""
    if _RANGE.search(text) and not re.search(r"unsupported|not support", text, re.IGNORECASE):
        # "n must be at most 1" is how some refuse several choices.
        return "n" if last == "n" or _SEVERAL.search(text) else ""
    if last == "n" or (not last and _SEVERAL.search(text)):
        return "n"
    if (match := _NAMED.fullmatch(last)) is not None:
        return match.group(1).lower()
    if not _REFUSED.search(text):
        return ""
    named = _NAMED.search(text)
    return named.group(1).lower() if named else ""


def remedy_for(parameter: str) -> str:
    """Return what to set in a recipe for a server that refuses a parameter; "" if unknown."""
    if parameter == "system":
        return (
            "the model takes no message of the role system: leave `system:` out of the template's"
            " head, and write it into the template's text"
        )
    if parameter not in _REMEDIES:
        return ""
    field_name, advice = _REMEDIES[parameter]
    return f"teacher.sampling.{field_name}: {advice}"


@dataclass
class ParameterSupport:
    """Knowledge of the parameters that one server takes.

    Attributes:
        token_limit: The field of the token limit; None if unknown.
        single_choice: The server takes one choice per request.
        has_answered: The server has answered a request, so that a later refusal concerns one
            request only.
        probes: How many more requests for several choices may be repeated with one choice.
    """

    token_limit: str | None = None
    single_choice: bool = False
    has_answered: bool = False
    probes: int = _PROBES
    _refused: set[str] = field(default_factory=set)

    def switch_token_limit(self, parameter: str, limit_field: str) -> bool:
        """Take in that the server refused a token limit's field.

        Args:
            parameter: The parameter that was refused.
            limit_field: The field in which the limit was sent.

        Returns:
            True if the parameter is a token limit and the other field is left to try.
        """
        if parameter not in TOKEN_LIMIT_FIELDS:
            return False
        self._refused.add(limit_field)
        self.token_limit = next(
            (name for name in TOKEN_LIMIT_FIELDS if name not in self._refused), None
        )
        return self.token_limit is not None
