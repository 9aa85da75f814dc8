"""The status and body of an answer that is none, as what they mean for the request or the run.

    401, 407, 403 and 400 with the code of a wrong key      AuthenticationError   ends the run
    402, and any other status with a code of no credit      QuotaError            ends the run; nothing failed for good
    408, 409, 425, 429, 5xx                                 TransientError        tried again
    3xx, and all else                                       RequestError          this request fails for good; its
                                                                                  ``parameter`` is what was refused

Each says truthfully whether the try may be billed (``billed``): of these only a gateway that gave up waiting for the
server behind it leaves that open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from synthkd.errors import AuthenticationError, QuotaError, RecipeError, RequestError, TeacherError
from synthkd.fastjson import loads
from synthkd.secrets import Url
from synthkd.teachers.dispatch import TransientError, retry_after
from synthkd.teachers.openai.parameter_support import refused_parameter

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.openai.endpoint import Address

#: Characters of a server's words that are kept.
_WORDS = 500
#: Codes and types of an account without credit. OpenAI: the first four; Moonshot, DashScope, xAI, SiliconFlow,
#: Zhipu, Together and others: the rest.
_NO_CREDIT = frozenset(
    [
        "insufficient_quota",
        "billing_hard_limit",
        "billing_hard_limit_reached",
        "billing_not_active",
        "exceeded_current_quota_error",
        "arrearage",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_credit",
        "insufficient_funds",
        "not_enough_balance",
        "not_enough_credits",
        "credit_limit",
        "credit_limit_exceeded",
        "payment_required",
        "billing_error",
        "out_of_credits",
        "no_credits",
        "spending_limit_reached",
        "spend_limit_exceeded",
        "30001",
        "1113",
    ]
)
#: The same in words, of servers whose code says nothing: Anthropic ("Your credit balance is too low"), DeepSeek
#: ("Insufficient Balance"), Fireworks ("monthly spending limit"), OpenRouter, xAI. "exceeded your current quota" is
#: not among them: Gemini says so of a rate limit.
_NO_CREDIT_WORDS = re.compile(
    r"(credit|account|your) balance is (too low|insufficient|not enough|negative|exhausted)"
    r"|insufficient (account )?(balance|credits?|funds)\b|not enough (balance|credits?|funds)\b"
    r"|negative balance|out of credits|(don't|do not) have any credits|used all (of )?(your )?available credits"
    r"|(reached|exceeded) (your |its |the )?(monthly )?(spending|billing|credit) (hard )?limit"
    r"|billing hard limit|余额不足|欠费",
    re.IGNORECASE,
)
_WRONG_KEY = frozenset(
    [
        "invalid_api_key",
        "invalidapikey",
        "invalid_key",
        "api_key_invalid",
        "invalid_authentication",
        "invalid_authentication_error",
        "authentication_error",
        "authentication_failed",
        "incorrect_api_key",
        "unauthenticated",
        "account_deactivated",
        "expired_api_key",
        "api_key_expired",
        "missing_api_key",
    ]
)
_WRONG_KEY_WORDS = re.compile(
    r"(invalid|incorrect|wrong|expired|revoked|missing) api[ -]?key|api[ -]?key (is )?(not valid|invalid|incorrect|expired)"
    r"|api[ -]?key (has been|was) (revoked|disabled)|authentication fails",
    re.IGNORECASE,
)
#: Statuses in which the words, and not the code alone, may say that there is no credit or that the key is wrong. A 422
#: repeats the prompt in many servers.
_WORDS_COUNT = (400, 401, 403, 412, 429)
_TRY_AGAIN = (408, 409, 425, 429)
#: A gateway gave up on the server behind it, which may have done the work.
_MAYBE_BILLED = (504, 520, 524)


def refusal(
    address: Address, part: TeacherPart, status: int, headers: Mapping[str, str], data: bytes
) -> TeacherError:
    """Return the error that a status other than 200 means."""
    message, codes, param = _said(data)
    # Masked whole, then cut: of a key across the cut, a part would remain.
    detail = address.mask(message)[:_WORDS]
    if found := _account(address, part, status, codes, message, detail):
        return found
    if 300 <= status < 400:
        return RequestError(f"http_{status}", _redirected(address, headers))
    if status in _TRY_AGAIN or status >= 500:
        billed = None if status in _MAYBE_BILLED else False
        return TransientError(f"http_{status}", detail, _wait(headers), billed=billed)
    if 200 <= status < 300:
        return TransientError("bad_response", f"status {status}, which is no answer: {detail}", billed=None)
    if any("context_length" in code for code in codes) or "context length" in detail:
        return RequestError("context_too_long", detail)
    if any("content_filter" in code or "content_policy" in code for code in codes):
        return RequestError("content_filter", detail)
    return RequestError(f"http_{status}", detail, refused_parameter(message, param))


def refused_within(address: Address, part: TeacherPart, found: dict[str, Any], data: bytes) -> TeacherError:
    """Return the meaning of an error that came with status 200, as from gateways whose server failed midway."""
    error = found.get("error")
    code = error.get("code") if type(error) is dict else None
    if type(code) is str and re.fullmatch(r"[45]\d\d", code):
        code = int(code)
    if type(code) is int and 400 <= code < 600:
        return refusal(address, part, code, {}, data)
    message, codes, _ = _said(data)
    detail = address.mask(message)[:_WORDS]
    if no_credit_in(codes):
        return _no_credit(address, detail)
    if any("content_filter" in named or "content_policy" in named for named in codes):
        return RequestError("content_filter", detail)
    named = address.mask(", ".join(sorted(codes)))[:_WORDS]
    said = f"{named}: {detail}" if named and named not in detail else detail
    return TransientError("bad_response", f"an error in the place of an answer: {said}"[:_WORDS], billed=None)


def no_credit_in(codes: Iterable[str]) -> bool:
    """Whether one of a server's codes says that the account has no credit."""
    return any(code.lower() in _NO_CREDIT for code in codes)


def proxy_refusal(address: Address, status: int) -> TeacherError:
    """A proxy lets nobody through, or opens no tunnel."""
    where = f"the proxy on the way to {address.public}"
    if status == 407:
        return AuthenticationError(f"{where} refuses user and password (407); check them, and teacher.proxy")
    return TransientError("connection", f"{where} opens no tunnel ({status})")


def _account(
    address: Address, part: TeacherPart, status: int, codes: frozenset[str], message: str, detail: str
) -> TeacherError | None:
    """Key, credit or proxy: with these no other request fares better."""
    if status == 407:
        return proxy_refusal(address, status)
    words = message[:_WORDS] if status in _WORDS_COUNT else ""
    if status == 402 or no_credit_in(codes) or _NO_CREDIT_WORDS.search(words):
        return _no_credit(address, detail)
    wrong = status in (400, 403) and (not codes.isdisjoint(_WRONG_KEY) or _WRONG_KEY_WORDS.search(words))
    if status == 401 or wrong:
        # Without the server's words: some repeat the key, with a few of its characters left out.
        return AuthenticationError(
            f"{address.public} refuses the key in {part.api_key_env} ({status}); check that variable"
        )
    return None


def _no_credit(address: Address, detail: str) -> QuotaError:
    return QuotaError(f"{address.public}: the account has no credit left ({detail})")


def _redirected(address: Address, headers: Mapping[str, str]) -> str:
    """Where a redirect leads, without what its address may hold of a secret. It is not followed: it would drop the
    body, or take the key elsewhere."""
    location = str(headers.get("Location") or "")
    if not location:
        return (
            "teacher.base_url: the server redirects, and does not say where to; name the address that serves"
        )
    try:
        joined = urljoin(f"{address.base}/", location)
        target = Url(joined, trusted=True).parts().shown
    except (ValueError, RecipeError):
        return (
            "teacher.base_url: the server redirects to an address that is none; name the address that serves"
        )
    base = re.sub(r"(/chat)?/completions/?$", "", target)
    return (
        f"teacher.base_url: the server redirects to {address.mask(target)[:200]}, which is not followed; set"
        f" teacher.base_url to {address.mask(base)[:200]} if you trust it"
    )


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait; it may say so in milliseconds."""
    seconds = retry_after(headers.get("retry-after-ms"))
    return retry_after(headers.get("Retry-After")) if seconds is None else seconds / 1000


def _said(data: bytes) -> tuple[str, frozenset[str], str]:
    """The message of an error's body, whole, its codes and the parameter that it names, in the forms of servers."""
    text = data.decode("utf-8", "replace")
    try:
        body = loads(data)
    except ValueError:
        return text, frozenset(), ""
    found = body.get("error", body) if type(body) is dict else {}
    if type(found) is not dict:
        return str(found) if found else text, frozenset(), ""
    codes = (found.get("code"), found.get("type"), found.get("status"))
    named = frozenset(str(code).lower() for code in codes if type(code) in (str, int))
    message = str(found.get("message") or text)
    # A gateway's own words ("Provider returned error") say less than those of the server behind it.
    behind = found.get("metadata")
    if type(behind) is dict and type(raw := behind.get("raw")) is str and raw not in message:
        message = f"{message}: {raw}"
    param = found.get("param")
    return message, named, param if type(param) is str else ""
