"""Texts that may hold a secret: addresses, headers, and what of them may be shown.

`Url` and `Headers` keep their text to themselves. Whatever prints, formats, compares or serialises them sees the public
form; only `reveal`, `Url.parts` and `Headers.sent` give what is really sent, with ``$NAME`` from the environment.
A secret that is written in clear is refused when such a value is made.
"""

from __future__ import annotations

import base64
import html
import ipaddress
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic_core import core_schema

from synthkd.errors import RecipeError

#: Stands for what is not shown.
HIDDEN = "***"
#: ``$NAME`` or ``${NAME}``.
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
#: Tokens of well-known forms, wherever they stand.
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
#: A header's value written into another text. The scheme stays readable.
_SCHEMED = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=\S*[0-9=_-])([A-Za-z0-9+/_.~=-]{12,})")
#: User and password of an address within a text.
_USER_INFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)([^/?#\s'\"<>@]*:[^/?#\s'\"<>@]*)@")
#: Words of which one in a name makes its value a credential, in headers and queries.
_CREDENTIAL_WORDS = frozenset(
    [
        "auth",
        "authorization",
        "authentication",
        "apikey",
        "key",
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "pass",
        "cookie",
        "credential",
        "credentials",
        "session",
        "sessionid",
        "signature",
        "sig",
        "pat",
        "jwt",
        "bearer",
        "code",
    ]
)
#: Names of fields elsewhere that hold a credential. Fewer: `stop_token` and `prompt_cache_key` are none.
_CREDENTIAL_FIELD = re.compile(
    r"(?:^|_)(?:api_?key|apikey|secret(?:_key)?|password|passwd|passphrase|access_key|access_token|auth_token|hf_token"
    r"|private_key|bearer|bearer_token|client_secret|refresh_token|authorization|cookie|credentials?|session_token)$"
    r"|^token$"
)
#: What people write when no key is needed.
_PLACEHOLDERS = frozenset(
    ["", "none", "null", "empty", "dummy", "unused", "no-key", "not-needed", "anonymous"]
)
_SCHEMES = frozenset(["", "bearer", "basic", "token", "apikey", "api-key", "key", "digest"])
#: Headers and parameters whose literal values say nothing secret. All others are hidden.
_OPEN_HEADERS = frozenset(
    [
        "accept",
        "accept-language",
        "content-type",
        "user-agent",
        "http-referer",
        "referer",
        "x-title",
        "anthropic-version",
        "anthropic-beta",
        "openai-beta",
        "openai-organization",
        "openai-project",
    ]
)
_OPEN_PARAMETERS = frozenset(["api-version", "version", "beta"])
_HEADER_NAME = re.compile(r"[!#%&'*+.^_`|~0-9A-Za-z-]+")
_REMEDY = "put it into an environment variable, and write $NAME here"
#: Fewest characters of a secret that is masked: masking shorter ones would spoil every message.
_SHORTEST = 4
#: Fewest characters of a secret's beginning that are masked at the end of a text that was cut.
_SHORTEST_CUT = 6


def variables(text: str) -> list[str]:
    """Names of the environment variables that a text names."""
    return [name or braced for name, braced in _VARIABLE.findall(text)]


def expand(text: str, place: str) -> str:
    """Replace ``$NAME`` from the environment.

    Raises:
        RecipeError: A variable is not set; its name is shown, never a value.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if (found := os.environ.get(name)) is None:
            # In another form than names have, it may be a piece of a password with a $ in it.
            which = (
                f"the environment variable {name}, which"
                if name.isupper()
                else "an environment variable that"
            )
            raise RecipeError(f"{place} names {which} is not set")
        return found

    return _VARIABLE.sub(value, text)


def credential_name(name: str) -> bool:
    """Whether a header or parameter of this name holds a credential."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]
    return any(word.casefold() in _CREDENTIAL_WORDS for word in words) or name.casefold().endswith(
        ("token", "apikey", "secret", "password")
    )


def credential_field(name: str) -> bool:
    """Whether a field of options or of a request's body holds a credential, by its name."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return _CREDENTIAL_FIELD.search(re.sub(r"[^A-Za-z0-9]+", "_", spaced).casefold()) is not None


def has_token(text: str) -> bool:
    """Whether a key of a well-known form, or an address with a password, stands in a text."""
    return bool(
        _TOKENS.search(text)
        or _SCHEMED.search(text)
        or any(not _only_variables(match[2]) for match in _USER_INFO.finditer(text))
    )


def random_looking(text: str) -> bool:
    """Whether a long text of letters and digits without words looks drawn at random."""
    for word in re.findall(r"[A-Za-z0-9+/_=~.-]{20,}", text):
        letters = Counter(word)
        bits = -sum(n / len(word) * math.log2(n / len(word)) for n in letters.values())
        if bits >= 3.2 and re.search(r"[0-9]", word) and re.search(r"[A-Za-z]", word):
            return True
    return False


def masked(text: str) -> str:
    """A text without keys of well-known forms and without user and password of addresses in it."""
    text = _TOKENS.sub(HIDDEN, text)
    text = _SCHEMED.sub(rf"\1\2{HIDDEN}", text)
    return _USER_INFO.sub(rf"\1{HIDDEN}@", text)


def _only_variables(text: str) -> bool:
    return not _VARIABLE.sub("", text).strip(":")


@dataclass(frozen=True)
class Mask:
    """Replaces known secrets in texts, in each form in which a server may repeat them."""

    forms: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Mask:
        """Longest forms first, so that none leaves a piece of another."""
        forms = {form for secret in secrets for form in _forms(secret)}
        return cls(tuple(sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """The text without the secrets, nor the beginning of one at its end, where it was cut."""
        for form in self.forms:
            text = text.replace(form, HIDDEN)
        longest = max(
            (n for form in self.forms for n in range(_SHORTEST_CUT, len(form)) if text.endswith(form[:n])),
            default=0,
        )
        return text[:-longest] + HIDDEN if longest else text


def _forms(secret: str) -> Iterator[str]:
    for plain in {secret, unquote(secret), secret.strip()}:
        yield from (plain, quote(plain, safe=""), quote(plain), quote_plus(plain), html.escape(plain))
        yield from (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1], repr(plain)[1:-1])
        yield base64.b64encode(plain.encode("utf-8", "surrogatepass")).decode().rstrip("=")


class _Sealed:
    """A text that is shown in its public form only."""

    __slots__ = ("_sealed",)

    _sealed: Any
    #: In a recipe's JSON schema.
    _schema: ClassVar[dict[str, Any]] = {"type": "string"}

    @property
    def public(self) -> Any:
        """The form that may be shown, recorded and hashed."""
        raise NotImplementedError

    def reveal(self) -> Any:
        """The text as it was written, for a worker process of this program."""
        return self._sealed

    def __repr__(self) -> str:
        return repr(self.public)

    def __str__(self) -> str:
        return str(self.public)

    def __format__(self, spec: str) -> str:
        return format(str(self.public), spec)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Sealed):
            return type(other) is type(self) and bool(other._sealed == self._sealed)
        return bool(self._sealed == other)

    def __hash__(self) -> int:
        return hash(str(self.public))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} may hold a secret and is not pickled")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    @classmethod
    def _of(cls, value: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        def shown(value: Any, info: Any) -> Any:
            # Fields may be changed without a check, by `model_copy`.
            value = value if isinstance(value, cls) else cls._of(value)
            return value.reveal() if (info.context or {}).get("reveal") else value.public

        return core_schema.no_info_plain_validator_function(
            cls._of, serialization=core_schema.plain_serializer_function_ser_schema(shown, info_arg=True)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(cls._schema)


@dataclass(frozen=True)
class UrlParts:
    """An address with ``$NAME`` replaced. ``shown`` is what may be printed; user info and query are decoded."""

    base: str = field(repr=False)
    shown: str
    host: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)


class Url(_Sealed):
    """An address of http or https. User, password and query are never shown; ``$NAME`` is taken from the environment.

    Args:
        text: The address. ``$NAME`` may stand for all of it, for its beginning, or for any part.
        trusted: Whether it comes from the environment: a secret may stand in it in clear, and ``$`` is a ``$``.

    Raises:
        ValueError: It is no address, or holds a secret in clear. The message never repeats it.
    """

    __slots__ = ("_trusted",)

    _sealed: str
    _trusted: bool

    def __init__(self, text: str, trusted: bool = False) -> None:
        if not isinstance(text, str):
            raise ValueError("an address is a text")
        if not text:
            raise ValueError("is empty; name the server, or leave the line out")
        self._sealed, self._trusted = text, trusted
        if self._from_variable:
            if not re.fullmatch(r"[\w./-]*", _VARIABLE.sub("", text)) or has_token(text):
                raise ValueError(
                    "begins with a variable: only a path may follow; put the rest into the variable"
                )
            return
        if not text.startswith(("http://", "https://")):
            # Not shown: without a scheme, a password in it cannot be told from a path.
            raise ValueError("begin it with http:// or https://")
        if re.search(r"[\s\x00-\x1f\x7f\\]", text):
            raise ValueError("holds a space or another character that no address has")
        host = _host_of(text)
        if (
            not trusted
            and "@"
            in text.partition("://")[2].partition("/")[2] + urlsplit(text).query + urlsplit(text).fragment
        ):
            # A password with a / or ? in it would be taken for host and path, and be shown.
            raise ValueError(f"holds an @ after its host; a password is written as a variable: {_REMEDY}")
        if not trusted and (what := _clear_in_url(text)) and (not is_loopback(host) or variables(text)):
            raise ValueError(f"holds {what} in clear; {_REMEDY}")

    @classmethod
    def _of(cls, value: Any) -> Url:
        return value if isinstance(value, cls) else cls(value)

    @property
    def _from_variable(self) -> bool:
        return not self._trusted and self._sealed.startswith("$") and bool(variables(self._sealed))

    @property
    def public(self) -> str:
        """The address with ``$NAME`` as it stands, and without what is secret in it."""
        if self._from_variable:
            return self._sealed
        parts = urlsplit(self._sealed)
        user, at, host = parts.netloc.rpartition("@")
        info = f"{self._hidden(user)}@" if at else ""
        shown = [
            f"{masked(name)}={value if _is_open(name, value) else self._hidden(value)}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        query = "?" + "&".join(shown) if shown else ""
        return f"{parts.scheme}://{info}{host}{_public_path(parts.path)}{query}"

    def _hidden(self, text: str) -> str:
        return HIDDEN if self._trusted else _public_literals(text)

    def variables(self) -> list[str]:
        """The environment variables that are read for it."""
        return [] if self._trusted else variables(self._sealed)

    def parts(self, place: str = "teacher.base_url") -> UrlParts:
        """Resolve the address that is really asked, with ``$NAME`` from the environment.

        Raises:
            RecipeError: A variable is not set, or what it holds is no address.
        """
        if self._from_variable:
            text = expand(self._sealed, place)
            try:
                return Url(text, trusted=True).parts(place)
            except ValueError as error:
                raise RecipeError(f"{place}, with {self._sealed} from the environment: {error}") from None

        def own(text: str) -> str:
            return text if self._trusted else expand(text, place)

        split = urlsplit(self._sealed)
        info, at, host = split.netloc.rpartition("@")
        name, colon, password = info.partition(":")
        host = own(host)
        try:
            hostname = _host_of(f"{split.scheme}://{host}")
        except ValueError as error:
            raise RecipeError(f"{place}, with its variables from the environment: {error}") from None
        path = split.path.rstrip("/")
        sent = path if self._trusted else _VARIABLE.sub(lambda match: quote(own(match[0]), safe=""), path)
        return UrlParts(
            f"{split.scheme}://{host}{sent}",
            f"{split.scheme}://{host}{_public_path(path)}",
            hostname,
            own(unquote(name)) if at else None,
            own(unquote(password)) if colon else None,
            tuple((key, own(value)) for key, value in parse_qsl(split.query, keep_blank_values=True)),
        )

    def sent(self, place: str) -> str:
        """The whole address with user and password, as a proxy's is needed."""
        parts = self.parts(place)
        if parts.user is None:
            return parts.base
        password = "" if parts.password is None else f":{quote(parts.password, safe='')}"
        scheme, _, rest = parts.base.partition("://")
        return f"{scheme}://{quote(parts.user, safe='')}{password}@{rest}"

    def secrets(self, place: str = "teacher.base_url") -> list[str]:
        """Texts that must not be shown: user info, the query's values, and variables in the path."""
        parts = self.parts(place)
        found = [value for name, value in parts.query if not _is_open(name, value)]
        if parts.password is not None:
            pair = f"{parts.user}:{parts.password}"
            found += [parts.password, pair]
        elif parts.user:
            found.append(parts.user)
        if parts.base != parts.shown:
            found += [os.environ.get(name, "") for name in variables(urlsplit(self._sealed).path)]
        return found


def _host_of(text: str) -> str:
    """The host of an address; a ValueError that repeats nothing if there is none."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
        if not variables(parts.netloc.rpartition("@")[2]):
            _ = parts.port
    except ValueError:
        raise ValueError("is no address: look at its host and port") from None
    if not host:
        raise ValueError("names no host")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Whether a host's name or number means something in one's own network only (loopback left out)."""
    if is_loopback(host) or variables(host):
        return False
    try:
        return not ipaddress.ip_address(host.split("%")[0]).is_global
    except ValueError:
        name = host.casefold().rstrip(".")
        own = (
            ".local",
            ".internal",
            ".lan",
            ".corp",
            ".home",
            ".intranet",
            ".localdomain",
            ".private",
            ".arpa",
        )
        return "." not in name or name.endswith(own)


def _clear_in_url(text: str) -> str | None:
    """Name the secret that stands in clear in an address; None if there is none."""
    parts = urlsplit(text)
    user, at, _ = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    if at and (not _only_variables(password) if colon else not _only_variables(name)):
        return "a password" if colon else "a user or token"
    if has_token(unquote(name)):
        return "a token"
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if _only_variables(value) or key in _OPEN_PARAMETERS:
            continue
        if credential_name(key) or has_token(value) or random_looking(value):
            return "a key"
    if has_token(unquote(parts.path)):
        return "a key"
    # A fragment is never sent: what stands there was meant for elsewhere.
    if parts.fragment:
        return "a fragment (after #), which is never sent, or a password with a # in it,"
    return None


def _public_literals(text: str) -> str:
    """``$NAME`` as it stands, and the literal pieces between hidden."""
    pieces = []
    end = 0
    for match in _VARIABLE.finditer(text):
        if literal := text[end : match.start()]:
            pieces.append(literal if not literal.strip(" :") else HIDDEN + ":" * literal.endswith(":"))
        pieces.append(match[0])
        end = match.end()
    if literal := text[end:]:
        pieces.append(HIDDEN)
    return "".join(pieces)


def _is_open(name: str, value: str) -> bool:
    """Whether a parameter of a query may be shown."""
    return name in _OPEN_PARAMETERS and not has_token(value) and not random_looking(value)


def _public_path(path: str) -> str:
    return "/".join(HIDDEN if has_token(unquote(piece)) else piece for piece in path.split("/"))


class Headers(_Sealed):
    """Headers by name. Names are shown; literal values are hidden, but for a few that never hold a secret.

    Raises:
        ValueError: A name or value that no header can have, or a credential in clear. No value is repeated.
    """

    __slots__ = ()

    _sealed: dict[str, str]
    _schema: ClassVar[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "string"}}

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        if not isinstance(headers or {}, Mapping):
            raise ValueError("headers are a mapping of names to texts")
        self._sealed = dict(headers or {})
        for number, (name, value) in enumerate(self._sealed.items(), 1):
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or has_token(name):
                raise ValueError(f"header {number} has a name that no header can have")
            if not isinstance(value, str):
                raise ValueError(f"{name}: a header's value is a text; quote it")
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise ValueError(f"{name}: holds a character that no header can carry")
            if _clear_in_header(name, value):
                raise ValueError(f"{name}: holds a credential in clear; {_REMEDY}")

    @classmethod
    def _of(cls, value: Any) -> Headers:
        return value if isinstance(value, cls) else cls(value)

    @property
    def public(self) -> dict[str, str]:
        return {name: _public_header(name, value) for name, value in self._sealed.items()}

    def __bool__(self) -> bool:
        return bool(self._sealed)

    def variables(self) -> list[str]:
        """The environment variables that are read for them."""
        return [name for value in self._sealed.values() for name in variables(value)]

    def sent(self, place: str = "teacher.headers") -> dict[str, str]:
        """Headers as they are sent, with ``$NAME`` from the environment.

        Raises:
            RecipeError: A variable is not set, or holds what no header can carry.
        """
        found = {}
        for name, value in self._sealed.items():
            found[name] = expand(value, f"{place}.{name}").strip()
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", found[name]):
                raise RecipeError(
                    f"{place}.{name}: a variable in it holds a character that no header can carry"
                )
        return found

    def secrets(self, place: str = "teacher.headers") -> list[str]:
        """Values that must not be shown, whole and without their scheme; and what variables hold."""
        values = [value for name, value in self.sent(place).items() if name.casefold() not in _OPEN_HEADERS]
        split = [value.partition(" ")[2] for value in values]
        return values + split + [os.environ.get(name, "").strip() for name in self.variables()]


def _clear_in_header(name: str, value: str) -> bool:
    rest = _VARIABLE.sub(" ", value).strip()
    if has_token(rest) or has_token(value) or random_looking(rest):
        return True
    if variables(value) or not credential_name(name):
        return False
    words = [word for word in rest.casefold().split() if word not in _SCHEMES]
    return not all(word in _PLACEHOLDERS for word in words)


def _public_header(name: str, value: str) -> str:
    if not variables(value):
        return value if name.casefold() in _OPEN_HEADERS or value.casefold() in _PLACEHOLDERS else HIDDEN
    rest = _VARIABLE.sub(" ", value).casefold().split()
    return value if all(word in _SCHEMES for word in rest) else _public_literals(value)


def clear_secret(value: Any, place: str = "") -> tuple[str, str] | None:
    """The first secret that stands in clear in a tree of mappings and lists.

    Returns:
        Its place and what to do, without the secret; None if there is none.
    """
    if isinstance(value, _Sealed):
        return None
    if isinstance(value, str):
        return (place, "holds a key or password in clear") if has_token(value) else None
    if isinstance(value, list | tuple):
        pairs: Iterable[tuple[Any, Any]] = enumerate(value)
    elif isinstance(value, Mapping):
        pairs = value.items()
    else:
        return None
    for name, inner in pairs:
        where = f"{place}.{masked(str(name))}" if place else masked(str(name))
        if isinstance(name, str) and has_token(name):
            return (where, "holds a key or password in clear")
        if isinstance(name, str) and (found := _clear_by_name(name, inner)):
            return (where, found)
        if found_inside := clear_secret(inner, where):
            return found_inside
    return None


def _clear_by_name(name: str, value: Any) -> str | None:
    """Name what is secret in a field of this name: an address, headers or a credential in options."""
    if name == "headers" and isinstance(value, Mapping):
        try:
            Headers(value)
        except ValueError as error:
            return str(error)
    if name in ("base_url", "proxy", "url", "endpoint"):
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.startswith(("http://", "https://")):
                try:
                    if what := _clear_in_url(text):
                        return f"holds {what} in clear; {_REMEDY}"
                except ValueError:
                    return "is no address: look at its host and port"
    if credential_field(name) and isinstance(value, str) and not name.casefold().endswith("_env"):
        plain = _VARIABLE.sub("", value).strip().casefold()
        if plain not in _PLACEHOLDERS and plain not in _SCHEMES:
            return "holds a credential in clear"
    return None
