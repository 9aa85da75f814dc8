"""Constrained decoding of local models: by regular expression, grammar or JSON schema.

llguidance tells for each state which tokens of a vocabulary may follow. The mask changes the
distribution that is sampled, and not the reported one: a completion's log-probability is that of
the unconstrained model.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd.errors import RecipeError, TeacherError, require_extra

if TYPE_CHECKING:
    from llguidance import LLMatcher

    from synthkd.requests import Sampling

#: White space of JSON as models write it; with free white space, a small model may write it without
#: end.
_LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
Allowed = np.ndarray[Any, np.dtype[np.bool_]]


class Constraints:
    """Makes matchers for the samples of one tokenizer."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary
        self._tokens: Any = None
        self._grammars: dict[str, str] = {}

    def matcher(self, sampling: Sampling) -> TokenMatcher | None:
        """Return a new matcher for a sample; None if it is not constrained."""
        form = requested_form(sampling)
        if form is None:
            return None
        name = json.dumps([*form, list(sampling.stop)], sort_keys=True)
        if name not in self._grammars:
            self._grammars[name] = self._grammar(*form, sampling.stop)
        return TokenMatcher(
            _llguidance().LLMatcher(self._tokens, self._grammars[name]), self._vocabulary
        )

    def _grammar(self, form: str, value: Any, stop: tuple[str, ...]) -> str:
        library = _llguidance()
        if self._tokens is None:
            from llguidance.hf import from_tokenizer

            self._tokens = from_tokenizer(self._tokenizer, n_vocab=self._vocabulary)
        make = library.LLMatcher
        try:
            if form == "regex":
                grammar = make.grammar_from_regex(_with_stop(value, stop))
            elif form == "grammar":
                grammar = make.grammar_from_lark(value)
            else:
                grammar = make.grammar_from_json_schema(value, defaults=_LAYOUT)
            problem = make(self._tokens, grammar).get_error()
        except ValueError as error:
            problem = str(error)
        if problem:
            raise RecipeError(
                f"teacher.sampling.{form}: not valid: {problem.strip().splitlines()[0]}"
            )
        return str(grammar)


class TokenMatcher:
    """The state of one sample in its grammar."""

    def __init__(self, matcher: LLMatcher, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._bits = np.zeros((vocabulary + 31) // 32, np.int32)

    def allowed(self) -> Allowed:
        """Return a mask (vocabulary,) of the tokens that may follow."""
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        return np.unpackbits(self._bits.view(np.uint8), bitorder="little")[
            : self._vocabulary
        ].astype(bool)

    def take(self, token: int) -> bool:
        """Advance by a token; return True if the sample is complete and nothing may follow."""
        self._matcher.consume_token(token)
        if self._matcher.is_error():
            # A text that is truncated here would look complete.
            problem = self._matcher.get_error().strip().splitlines()[0]
            raise TeacherError(
                f"teacher.sampling: an answer could not be kept to its form: {problem}; ask for a"
                " simpler form"
            )
        return bool(self._matcher.is_stopped())


def requested_form(sampling: Sampling) -> tuple[str, Any] | None:
    """Return the name and value of the form that completions must have; None if free.

    Names are `regex`, `grammar` and `json_schema`.
    """
    given: list[tuple[str, Any]] = [
        (name, value)
        for name in ("regex", "grammar")
        if (value := getattr(sampling, name)) is not None
    ]
    response_format = sampling.response_format or {}
    if response_format.get("type") == "json_schema":
        given.append(("json_schema", _schema_of(response_format)))
    elif response_format.get("type") == "json_object":
        given.append(("json_schema", {"type": "object"}))
    if len(given) > 1:
        names = " and ".join(name for name, _ in given)
        raise RecipeError(f"teacher.sampling: {names} exclude each other; give one of them")
    return given[0] if given else None


def _schema_of(response_format: dict[str, Any]) -> Any:
    try:
        return response_format["json_schema"]["schema"]
    except (KeyError, TypeError):
        raise RecipeError(
            "teacher.sampling.response_format: no schema; give it as `json_schema: {name: …,"
            " schema: {…}}`"
        ) from None


def _with_stop(regex: str, stop: tuple[str, ...]) -> str:
    """Add an optional stop text to the expression: many models end a line, not the text."""
    if not stop:
        return regex
    return f"(?:{regex})(?:{'|'.join(map(re.escape, stop))})?"


def _llguidance() -> Any:
    require_extra("constrained decoding of a local model", "local", "llguidance")
    import llguidance

    return llguidance
