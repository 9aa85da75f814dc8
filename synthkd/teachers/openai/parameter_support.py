"""Parameters that a server takes, as its refusals tell.

Servers of one protocol differ in few places: the name of the limit on tokens, whether several choices may be asked for.
What a refusal (which is not billed) tells is remembered for the run. It changes how a request is written, never what it
is: keys are made before, so a later run finds what was bought.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: The two names of the limit on what is written.
LIMITS = ("max_tokens", "max_completion_tokens")
#: Requests of several choices that are tried with one, after a refusal that names no cause.
_PROBES = 4
_REFUSED = re.compile(
    r"unsupported|not supported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|not enabled"
    r"|extra[_ ](inputs|fields|forbidden)|invalid (parameter|argument|field)|deprecated|instead|no longer|not available"
    r"|only the default|only [\d.]+ is|(may|can) only be|must be|should be|unavailable|does not accept|cannot be used|incompatible",
    re.IGNORECASE,
)
#: A value out of its range is not a parameter that is not known.
_RANGE = re.compile(
    r"too (large|long|small)|at most|at least|less than|greater than|exceed|maximum|minimum", re.IGNORECASE
)
_SEVERAL = re.compile(
    r"[`'\"]n[`'\"]|\bn\s*(>|=|must|should|is not|parameter)|only one (completion )?(choice|candidate)"
    r"|(multiple|several) (completions?|choices|candidates|generations)|candidate_?count|num_return_sequences"
    r"|number of (choices|completions|candidates)"
    r"|(permitted|(unknown|unsupported|unrecogni[sz]ed) (parameter|argument|field)s?( supplied)?)\W{1,3}n\W*$",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"system (role|message|prompt|instruction)s?\b.{0,60}\b(not|un\w+)\b|(not|un)\s?support.{0,40}\bsystem\b"
    r"|role.{0,40}[`'\"]system[`'\"]|[`'\"]system[`'\"].{0,40}role|(developer|system) instruction is not enabled"
    r"|roles must alternate|only user and assistant roles",
    re.IGNORECASE | re.DOTALL,
)
#: A parameter's name in a server's words -> the field of a recipe, and what to do with it.
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
    "max_tokens": ("max_tokens", "teacher.token_limit names the field in which the server takes it"),
    "max_completion_tokens": ("max_tokens", "teacher.token_limit names the field in which the server takes it"),
}  # fmt: skip
_NAMES = "|".join(sorted(_REMEDIES, key=len, reverse=True))
_NAMED = re.compile(rf"(?<![\w-])({_NAMES})(?![\w-])", re.IGNORECASE)


def refused_parameter(message: str, param: str) -> str:
    """Return the parameter that a refusal is about: a name of `_REMEDIES`, ``n``, ``system``; "" if it names none.

    Args:
        message: The server's words.
        param: What its error names in ``param``.
    """
    said = message[:500]
    last = param.rpartition(".")[2].lower()
    if last in ("role", "system") or (_ROLE.search(said) and not _NAMED.fullmatch(last)):
        return "system" if _ROLE.search(said) or last == "system" else ""
    if _RANGE.search(said) and not re.search(r"unsupported|not support", said, re.IGNORECASE):
        # "n must be at most 1" is how some refuse several choices.
        return "n" if last == "n" or _SEVERAL.search(said) else ""
    if last == "n" or (not last and _SEVERAL.search(said)):
        return "n"
    if (known := _NAMED.fullmatch(last)) is not None:
        return known.group(1).lower()
    if not _REFUSED.search(said):
        return ""
    named = _NAMED.search(said)
    return named.group(1).lower() if named else ""


def remedy_of(parameter: str) -> str:
    """Return what to set in a recipe for a server that refuses a parameter; "" if nothing is known."""
    if parameter == "system":
        return (
            "the model takes no message of the role system: leave `system:` out of the template's head, and write it"
            " into the template's text"
        )
    if parameter not in _REMEDIES:
        return ""
    name, what = _REMEDIES[parameter]
    return f"teacher.sampling.{name}: {what}"


@dataclass
class Learned:
    """What one server has told of itself. ``limit`` is the name of the limit on tokens; ``single``: one choice at a time."""

    limit: str | None = None
    single: bool = False
    #: Whether it has answered a request: from then on, what it refuses is that request's matter.
    answered: bool = False
    probes: int = _PROBES
    _refused: set[str] = field(default_factory=set)

    def another_limit(self, parameter: str, sent: str) -> bool:
        """Take in that the limit ``sent`` was refused, if ``parameter`` is one; whether the other name is left to try."""
        if parameter not in LIMITS:
            return False
        self._refused.add(sent)
        self.limit = next((name for name in LIMITS if name not in self._refused), None)
        return self.limit is not None
