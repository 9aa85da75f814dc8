"""Addresses and headers that may hold a secret.

`Url` and `Headers` print, format, compare and serialise as their public form. Only `reveal`,
`Url.parts`, `Url.resolve` and `Headers.resolve` return the private one, the latter three with
``$NAME`` from the environment. A secret that is written in clear text is refused when such a value
is made.

recognise   environment variables in texts, and the forms of credentials
sealed      the base of texts with a public form
url         addresses
headers     headers
clear       secrets in clear text, anywhere in a recipe
mask        known secrets removed from texts
"""

from synthkd.secrets.clear import find_cleartext_secret
from synthkd.secrets.headers import Headers
from synthkd.secrets.mask import Mask
from synthkd.secrets.recognise import (
    HIDDEN,
    expand_variables,
    has_token,
    is_credential_field,
    is_credential_name,
    looks_random,
    mask_tokens,
    variable_names,
)
from synthkd.secrets.url import Url, UrlParts, is_loopback, is_private

__all__ = [
    "HIDDEN",
    "Headers",
    "Mask",
    "Url",
    "UrlParts",
    "expand_variables",
    "find_cleartext_secret",
    "has_token",
    "is_credential_field",
    "is_credential_name",
    "is_loopback",
    "is_private",
    "looks_random",
    "mask_tokens",
    "variable_names",
]
