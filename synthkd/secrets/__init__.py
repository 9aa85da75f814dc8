"""Texts that may hold a secret: addresses, headers, and what of them may be shown.

`Url` and `Headers` keep their text to themselves. Whatever prints, formats, compares or serialises them sees the public
form; only `reveal`, `Url.parts` and `Headers.sent` give what is really sent, with ``$NAME`` from the environment.
A secret that is written in clear is refused when such a value is made.
"""

from synthkd.secrets.clear import clear_secret
from synthkd.secrets.headers import Headers
from synthkd.secrets.mask import Mask
from synthkd.secrets.recognise import (
    HIDDEN,
    credential_field,
    credential_name,
    expand,
    has_token,
    masked,
    random_looking,
    variables,
)
from synthkd.secrets.url import Url, UrlParts, is_loopback, is_private

__all__ = [
    "HIDDEN",
    "Headers",
    "Mask",
    "Url",
    "UrlParts",
    "clear_secret",
    "credential_field",
    "credential_name",
    "expand",
    "has_token",
    "is_loopback",
    "is_private",
    "masked",
    "random_looking",
    "variables",
]
