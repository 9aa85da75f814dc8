"""Errors that stand inside a body of status 200, beside or in place of its choices."""

from __future__ import annotations

from typing import Any

from synthkd.fastjson import dumps

#: Values of "error" and of codes that mean "no error".
_NO_ERROR = (None, "", 0, False, "0", 200, "200", "ok", "OK", "success", "Success", "none", "null")
#: Fields of an error object that name the error.
_ERROR_FIELDS = ("message", "code", "type", "status", "msg", "detail")
#: Fields of a body that is an error object itself: those with the message, and those with the code.
_MESSAGE_FIELDS = (
    "message",
    "msg",
    "detail",
    "errors",
    "error_msg",
    "error_message",
    "errorMessage",
    "Message",
    "description",
)
_CODE_FIELDS = ("code", "error_code", "errorCode", "status_code", "type", "status")


def embedded_error(node: Any) -> Any:
    """Return the error of a body or a choice; None if there is none, or if it says "no error"."""
    if type(node) is not dict or ("error" not in node and "base_resp" not in node):
        return None
    error = node.get("error")
    if type(error) is dict:
        return error if any(not _is_no_error(error.get(name)) for name in _ERROR_FIELDS) else None
    if not _is_no_error(error):
        return error
    # MiniMax reports errors here, beside null choices.
    state = node.get("base_resp")
    if type(state) is dict and not _is_no_error(state.get("status_code")):
        return {"code": state.get("status_code"), "message": state.get("status_msg")}
    return None


def body_error(body: Any) -> Any:
    """Return the error that a body has or, if it has no choices, is; None if there is none."""
    error = embedded_error(body)
    return (
        _bare_error(body)
        if error is None and type(body) is dict and not body.get("choices")
        else error
    )


def _bare_error(body: dict[str, Any]) -> Any:
    """Return the error that a whole body is (`{"code": 20012, "message": "No model"}`), or None."""
    message = next(
        (body[name] for name in _MESSAGE_FIELDS if not _is_no_error(body.get(name))), None
    )
    if message is None:
        return None
    code = next((body[name] for name in _CODE_FIELDS if not _is_no_error(body.get(name))), None)
    text = message if type(message) is str else dumps(message).decode("utf-8", "replace")
    return {"code": code, "message": text}


def _is_no_error(value: Any) -> bool:
    return type(value) in (str, int, bool, type(None)) and value in _NO_ERROR
