"""Place and cause of an error that a template raised."""

from __future__ import annotations

from jinja2 import TemplateSyntaxError
from jinja2.exceptions import SecurityError


def error_location(error: BaseException) -> tuple[str | None, int] | None:
    """Return the template's name (None for the outermost one) and the line of an error."""
    if isinstance(error, TemplateSyntaxError):
        name = error.name
        return (None if name is None or name.startswith("<") else name), error.lineno
    location, trace = None, error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            location = template.name, template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return location


def error_cause(error: BaseException) -> str:
    """Return the cause of an error in one short line."""
    if isinstance(error, RecursionError):
        return "it calls itself too deeply, or is nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    message = error.message if isinstance(error, TemplateSyntaxError) else error
    if isinstance(error, SyntaxError):
        message = error.msg  # Of Python's compiler, whose lines are not the template's.
    text = " ".join(str(message).split())
    if isinstance(error, SecurityError) or not text:
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    return text if len(text) <= 300 else f"{text[:300]} …"
