"""`Mask`: removes known secrets from texts that repeat them."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote

from synthkd.secrets.recognise import HIDDEN

#: Characters of a secret at least; masking a shorter one would spoil every message.
_SHORTEST = 4
#: Characters at least of the beginning of a secret at the end of a text that was cut.
_SHORTEST_CUT = 6


@dataclass(frozen=True)
class Mask:
    """Replaces known secrets in texts, in each form in which a server may repeat them."""

    forms: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Mask:
        """Make the mask of secrets, the longest forms first, so that no part of one remains."""
        forms = {form for secret in secrets for form in _forms(secret)}
        return cls(
            tuple(sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True))
        )

    def __call__(self, text: str) -> str:
        """Return a text without the secrets.

        At the end, where a text may be cut, the beginning of a secret is removed too.
        """
        for form in self.forms:
            text = text.replace(form, HIDDEN)
        longest = max(
            (
                n
                for form in self.forms
                for n in range(_SHORTEST_CUT, len(form))
                if text.endswith(form[:n])
            ),
            default=0,
        )
        return text[:-longest] + HIDDEN if longest else text


def _forms(secret: str) -> Iterator[str]:
    for plain in {secret, unquote(secret), secret.strip()}:
        yield from (
            plain,
            quote(plain, safe=""),
            quote(plain),
            quote_plus(plain),
            html.escape(plain),
        )
        yield from (
            json.dumps(plain)[1:-1],
            json.dumps(plain, ensure_ascii=False)[1:-1],
            repr(plain)[1:-1],
        )
        yield base64.b64encode(plain.encode("utf-8", "surrogatepass")).decode().rstrip("=")
