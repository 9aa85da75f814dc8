"""Environment variables in texts, and credentials recognised by form or field name."""

from __future__ import annotations

import math
import os
import re
from collections import Counter

from synthkd.errors import RecipeError

#: Replaces what is hidden.
HIDDEN = "***"
#: ``$NAME`` or ``${NAME}``.
VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
#: Tokens of well-known forms, anywhere in a text.
_TOKENS = re.compile(
    r"\b(?:sk|rk|pk|gsk|pplx|xai|nvapi|hf|r8|glpat|dop_v1|npm|pypi|ghp|gho|ghu|ghs|ghr|github_pat|xox[abprs])[-_]"
    r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{12,}"
    r"|\b(?:sk|hf|gsk|ghp|gho|ghs)[-_][A-Za-z0-9_-]{24,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----)?",
    re.DOTALL,
)
#: The value of a header in another text; its scheme stays readable.
_SCHEMED = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=\S*[0-9=_-])([A-Za-z0-9+/_.~=-]{12,})")
#: User and password of an address in a text.
_USER_INFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)([^/?#\s'\"<>@]*:[^/?#\s'\"<>@]*)@")
#: Words in the name of a header or a parameter of a query whose value is a credential.
_CREDENTIAL_WORDS = frozenset([
    "auth", "authorization", "authentication", "apikey", "key", "token", "secret", "password",
    "passwd", "passphrase", "pwd", "pass", "cookie", "credential", "credentials", "session",
    "sessionid", "signature", "sig", "pat", "jwt", "bearer", "code",
])  # fmt: skip
#: Names of other fields that hold a credential. Fewer words: `stop_token` and `prompt_cache_key`
#: hold none.
_CREDENTIAL_FIELD = re.compile(
    r"(?:^|_)(?:api_?key|apikey|secret(?:_key)?|password|passwd|passphrase|access_key|access_token|auth_token|hf_token"
    r"|private_key|bearer|bearer_token|client_secret|refresh_token|authorization|cookie|credentials?|session_token)$"
    r"|^token$"
)
#: Values that people write if no key is needed.
PLACEHOLDERS = frozenset(
    ["", "none", "null", "empty", "dummy", "unused", "no-key", "not-needed", "anonymous"]
)
SCHEMES = frozenset(["", "bearer", "basic", "token", "apikey", "api-key", "key", "digest"])
#: Headers and parameters whose literal values are public. All others are hidden.
OPEN_HEADERS = frozenset([
    "accept", "accept-language", "content-type", "user-agent", "http-referer", "referer",
    "x-title", "anthropic-version", "anthropic-beta", "openai-beta", "openai-organization",
    "openai-project",
])  # fmt: skip
OPEN_PARAMETERS = frozenset(["api-version", "version", "beta"])
REMEDY = "put it into an environment variable, and write $NAME here"


def variable_names(text: str) -> list[str]:
    """Return the names of the environment variables in a text."""
    return [name or braced for name, braced in VARIABLE.findall(text)]


def expand_variables(text: str, place: str) -> str:
    """Replace ``$NAME`` from the environment.

    Raises:
        RecipeError: If a variable is not set. The message has its name, never a value.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if (found := os.environ.get(name)) is None:
            # In lower case it may be part of a password with a $ in it.
            which = (
                f"the environment variable {name}, which"
                if name.isupper()
                else "an environment variable that"
            )
            raise RecipeError(f"{place} names {which} is not set")
        return found

    return VARIABLE.sub(value, text)


def is_credential_name(name: str) -> bool:
    """Tell if a header or a parameter of a query with this name holds a credential."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]
    return any(word.casefold() in _CREDENTIAL_WORDS for word in words) or name.casefold().endswith(
        ("token", "apikey", "secret", "password")
    )


def is_credential_field(name: str) -> bool:
    """Tell if a field of options, or of a request's body, with this name holds a credential."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return _CREDENTIAL_FIELD.search(re.sub(r"[^A-Za-z0-9]+", "_", spaced).casefold()) is not None


def has_token(text: str) -> bool:
    """Tell if a text contains a key of a well-known form, or an address with a password."""
    return bool(
        _TOKENS.search(text)
        or _SCHEMED.search(text)
        or any(not only_variables(match[2]) for match in _USER_INFO.finditer(text))
    )


def looks_random(text: str) -> bool:
    """Tell if a text contains a long string of letters and digits that looks random."""
    for word in re.findall(r"[A-Za-z0-9+/_=~.-]{20,}", text):
        letters = Counter(word)
        bits = -sum(n / len(word) * math.log2(n / len(word)) for n in letters.values())
        if bits >= 3.2 and re.search(r"[0-9]", word) and re.search(r"[A-Za-z]", word):
            return True
    return False


def mask_tokens(text: str) -> str:
    """Hide keys of well-known forms, and user and password of addresses, in a text."""
    text = _TOKENS.sub(HIDDEN, text)
    text = _SCHEMED.sub(rf"\1\2{HIDDEN}", text)
    return _USER_INFO.sub(rf"\1{HIDDEN}@", text)


def only_variables(text: str) -> bool:
    """Tell if a text consists of environment variables and colons."""
    return not VARIABLE.sub("", text).strip(":")


def public_literals(text: str) -> str:
    """Hide all of a text except its environment variables."""
    pieces = []
    end = 0
    for match in VARIABLE.finditer(text):
        if literal := text[end : match.start()]:
            pieces.append(
                literal if not literal.strip(" :") else HIDDEN + ":" * literal.endswith(":")
            )
        pieces.append(match[0])
        end = match.end()
    if literal := text[end:]:
        pieces.append(HIDDEN)
    return "".join(pieces)
