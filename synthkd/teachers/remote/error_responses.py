"""Convert error responses to exceptions, by status and body.

    401, 407, 403, 400 with the code of a wrong key   AuthenticationError   ends the run
    402, any status with a code of no credit          QuotaError            ends the run
    408, 409, 425, 429, 5xx                           TransientError        retried
    3xx, and all others                               RequestError          fails this request alone

After a `QuotaError` no request counts as failed. ``parameter`` of a `RequestError` is the refused
one. ``billed`` is None only for a gateway that gave up on the server behind it, which may have done
the work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from synthkd.errors import AuthenticationError, QuotaError, RecipeError, RequestError, TeacherError
from synthkd.fastjson import loads
from synthkd.secrets import Url
from synthkd.teachers.dispatch import TransientError, parse_retry_after
from synthkd.teachers.remote.parameter_support import refused_parameter

if TYPE_CHECKING:
    from synthkd.teachers.remote.endpoint import Endpoint

#: Statuses of an answer; some gateways answer a POST with 201.
ANSWER_STATUSES = (200, 201, 203)
#: Characters of a server's message that are kept.
_MAX_DETAIL = 500
#: Codes and types of an account without credit. OpenAI: the first four; Moonshot, DashScope, xAI,
#: SiliconFlow, Zhipu, Together and others: the rest.
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
        # Anthropic, in the details of a 429.
        "enforced_spend_limit_reached",
        "30001",
        "1113",
    ]
)
#: Messages of servers without such a code: Anthropic ("Your credit balance is too low", "You have
#: reached your specified API usage limits"), DeepSeek
#: ("Insufficient Balance"), Fireworks ("monthly spending limit"), OpenRouter, xAI. "exceeded your
#: current quota" is not included: Gemini sends it for a rate limit.
_NO_CREDIT_MESSAGE = re.compile(
    r"(credit|account|your) balance is (too low|insufficient|not enough|negative|exhausted)"
    r"|insufficient (account )?(balance|credits?|funds)\b|not enough (balance|credits?|funds)\b"
    r"|negative balance|out of credits|(don't|do not) have any credits|used all (of )?(your"
    r" )?available credits"
    r"|(reached|exceeded) (your |its |the )?(monthly )?(spending|billing|credit) (hard )?limit"
    r"|reached (your|its|the) specified (api |workspace )?usage limits?"
    r"|billing hard limit|余额不足|欠费",
    re.IGNORECASE,
)
#: Codes and types of a wrong key, and messages.
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
_WRONG_KEY_MESSAGE = re.compile(
    r"(invalid|incorrect|wrong|expired|revoked|missing) api[ -]?key|api[ -]?key (is )?(not"
    r" valid|invalid|incorrect|expired)"
    r"|api[ -]?key (has been|was) (revoked|disabled)|authentication fails",
    re.IGNORECASE,
)
#: Messages about a prompt that is too long: OpenAI and vLLM; Anthropic; Gemini.
_TOO_LONG = re.compile(
    r"context length|prompt is too long|exceed context limit"
    r"|input token count .{0,20}exceeds the maximum"
)
#: Statuses whose message, and not only the code, may report missing credit or a wrong key. The
#: message of a 422 repeats the prompt on many servers.
_MESSAGE_STATUSES = (400, 401, 403, 412, 429)
#: A wait among the details of an error, and bytes that are searched for it.
_RETRY_DELAY, _MAX_DETAILS = re.compile(rb'"retryDelay":\s*"(\d{1,6}(?:\.\d{1,9})?)s"'), 65_536
#: Statuses below 500 that are retried.
_RETRIED = (408, 409, 425, 429)
#: Statuses of a gateway that gave up on the server behind it, which may have done the work.
_MAYBE_BILLED = (504, 520, 524)


def status_error(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], data: bytes
) -> TeacherError:
    """Return the exception for a status that is not an answer's."""
    message, codes, param = _parse_error(data)
    # Masked, then truncated: truncated first, a part of a key could remain.
    detail = endpoint.mask(message)[:_MAX_DETAIL]
    if error := _account_error(endpoint, status, codes, message, detail):
        return error
    if 300 <= status < 400:
        return RequestError(f"http_{status}", _redirect_detail(endpoint, headers))
    if status in _RETRIED or status >= 500:
        billed = None if status in _MAYBE_BILLED else False
        wait = _retry_after(headers, data)
        return TransientError(f"http_{status}", detail, wait, billed=billed)
    if 200 <= status < 300:
        return TransientError(
            "bad_response", f"status {status} is not an answer: {detail}", billed=None
        )
    if any("context_length" in code for code in codes) or _TOO_LONG.search(detail):
        return RequestError("context_too_long", detail)
    if (
        any("content_filter" in code or "content_policy" in code for code in codes)
        or "content filtering policy" in detail
    ):
        return RequestError("content_filter", detail)
    return RequestError(f"http_{status}", detail, refused_parameter(message, param))


def error_of_body(endpoint: Endpoint, body: dict[str, Any], data: bytes) -> TeacherError:
    """Return the exception for an error in a body of status 200, as from a gateway."""
    error = body.get("error")
    code = error.get("code") if type(error) is dict else None
    if type(code) is str and re.fullmatch(r"[45]\d\d", code):
        code = int(code)
    if type(code) is int and 400 <= code < 600:
        return status_error(endpoint, code, {}, data)
    message, codes, _ = _parse_error(data)
    detail = endpoint.mask(message)[:_MAX_DETAIL]
    if is_out_of_credit(codes):
        return _no_credit(endpoint, detail)
    if any("content_filter" in code or "content_policy" in code for code in codes):
        return RequestError("content_filter", detail)
    named = endpoint.mask(", ".join(sorted(codes)))[:_MAX_DETAIL]
    text = f"{named}: {detail}" if named and named not in detail else detail
    return TransientError(
        "bad_response", f"an error instead of an answer: {text}"[:_MAX_DETAIL], billed=None
    )


def is_out_of_credit(codes: Iterable[str]) -> bool:
    """Return True if one of a server's codes means that the account has no credit."""
    return any(code.lower() in _NO_CREDIT for code in codes)


def proxy_error(endpoint: Endpoint, status: int) -> TeacherError:
    """Return the exception for a proxy that refuses the connection."""
    where = f"the proxy for {endpoint.public}"
    if status == 407:
        return AuthenticationError(
            f"{where} refuses user and password (407); check them, and teacher.proxy"
        )
    return TransientError("connection", f"{where} refuses the tunnel ({status})")


def _account_error(
    endpoint: Endpoint,
    status: int,
    codes: frozenset[str],
    message: str,
    detail: str,
) -> TeacherError | None:
    """Return the exception for a wrong key, missing credit or a proxy; None for any other cause."""
    if status == 407:
        return proxy_error(endpoint, status)
    text = message[:_MAX_DETAIL] if status in _MESSAGE_STATUSES else ""
    if status == 402 or is_out_of_credit(codes) or _NO_CREDIT_MESSAGE.search(text):
        return _no_credit(endpoint, detail)
    wrong = status in (400, 403) and (
        not codes.isdisjoint(_WRONG_KEY) or _WRONG_KEY_MESSAGE.search(text)
    )
    if status == 401 or wrong:
        # Without the server's message: some repeat the key, with a few characters left out.
        return AuthenticationError(
            f"{endpoint.public} refuses the key in {endpoint.key_variable} ({status}); check that"
            " variable"
        )
    return None


def _no_credit(endpoint: Endpoint, detail: str) -> QuotaError:
    return QuotaError(f"{endpoint.public}: the account has no credit left ({detail})")


def _redirect_detail(endpoint: Endpoint, headers: Mapping[str, str]) -> str:
    """Return where a redirect leads, without secrets.

    It is not followed: that would drop the body, or take the key to another host.
    """
    location = str(headers.get("Location") or "")
    if not location:
        return (
            "teacher.base_url: the server redirects without a target; name the address that serves"
        )
    try:
        joined = urljoin(f"{endpoint.base}/", location)
        target = Url(joined, trusted=True).parts().shown
    except (ValueError, RecipeError):
        return (
            "teacher.base_url: the server redirects to an invalid address; name the address that"
            " serves"
        )
    base = re.sub(r"((/chat)?/completions|/messages|/models/[^/]+:generateContent)/?$", "", target)
    return (
        f"teacher.base_url: the server redirects to {endpoint.mask(target)[:200]}, which is not"
        f" followed; set teacher.base_url to {endpoint.mask(base)[:200]} if you trust it"
    )


def _retry_after(headers: Mapping[str, str], data: bytes) -> float | None:
    """Return the seconds that the server asks to wait: in headers, or in the details of an error.

    Some give milliseconds; Gemini gives `{"retryDelay": "38s"}`.
    """
    seconds = parse_retry_after(headers.get("retry-after-ms"))
    if seconds is not None:
        return seconds / 1000
    named = parse_retry_after(headers.get("Retry-After"))
    if named is None and (found := _RETRY_DELAY.search(data[:_MAX_DETAILS])):
        named = float(found[1])
    return named


def _parse_error(data: bytes) -> tuple[str, frozenset[str], str]:
    """Return message, codes and named parameter of an error's body, in the forms of servers."""
    text = data.decode("utf-8", "replace")
    try:
        body = loads(data)
    except ValueError:
        return text, frozenset(), ""
    error = body.get("error", body) if type(body) is dict else {}
    if type(error) is not dict:
        return str(error) if error else text, frozenset(), ""
    codes = [error.get("code"), error.get("type"), error.get("status")]
    if type(details := error.get("details")) is dict:
        codes.append(details.get("error_code"))
    named = frozenset(str(code).lower() for code in codes if type(code) in (str, int))
    message = str(error.get("message") or text)
    # A gateway's message ("Provider returned error") says less than that of the server behind it.
    metadata = error.get("metadata")
    if type(metadata) is dict and type(raw := metadata.get("raw")) is str and raw not in message:
        message = f"{message}: {raw}"
    param = error.get("param")
    return message, named, param if type(param) is str else ""
