"""Asynchronous twins of the verbs: `arun` for `run`, and so on.

    result = await synthkd.arun("recipe.yaml")

A twin takes and returns what its verb does. The verb runs in a thread, so that the event loop goes
on. A twin that is cancelled stops the run as Ctrl-C does: what was paid for is committed first.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from synthkd.commands.dry_run import dry_run
from synthkd.commands.probe_steps import probe
from synthkd.errors import SynthKDError
from synthkd.loops.engine import distill
from synthkd.pipeline import filter, generate, run
from synthkd.stages.interrupt import HANDLE, StopHandle

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _twin(
    verb: Callable[Arguments, Result],
) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    async def twin(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        handle = StopHandle()
        token = HANDLE.set(handle)
        try:
            # The thread has a copy of this context.
            work = asyncio.create_task(asyncio.to_thread(verb, *arguments, **options))
        finally:
            HANDLE.reset(token)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            handle.stop()
            with suppress(SynthKDError):
                await _to_its_end(work, handle)
            raise

    functools.update_wrapper(twin, verb)
    twin.__name__ = twin.__qualname__ = f"a{verb.__name__}"
    twin.__module__ = __name__
    first = (verb.__doc__ or "").partition("\n")[0].rstrip()
    about = f"The asynchronous twin of `{verb.__name__}`, with its arguments."
    twin.__doc__ = f"{first}\n\n{about}\n\n{_EXAMPLES[verb.__name__]}"
    return twin


async def _to_its_end(work: asyncio.Task[Any], handle: StopHandle) -> None:
    """Wait for a run that was stopped; a further cancellation ends its grace period."""
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            handle.stop()


_EXAMPLES = {
    "run": """Example:
    >>> import asyncio, synthkd
    >>> result = asyncio.run(synthkd.arun("recipe.yaml", limit=5, quiet=True))
    >>> result.counts["asked"]
    50
""",
    "generate": """Example:
    >>> import asyncio, synthkd
    >>> asyncio.run(synthkd.agenerate("recipe.yaml", limit=5, quiet=True)).completed
    50
""",
    "filter": """Example:
    >>> import asyncio, synthkd
    >>> async def both():
    ...     await synthkd.agenerate("recipe.yaml", limit=5, quiet=True)
    ...     return await synthkd.afilter("recipe.yaml", limit=5, quiet=True)
    >>> asyncio.run(both())["asked"]
    50
""",
    "dry_run": """Example:
    >>> import asyncio, synthkd
    >>> asyncio.run(synthkd.adry_run("recipe.yaml", limit=5)).samples
    50
""",
    "probe": """Example:
    >>> import asyncio, synthkd
    >>> asyncio.run(synthkd.aprobe("recipe.yaml", requests=2, limit=5)).sent
    2
""",
    "distill": """Example:
    >>> import asyncio, synthkd
    >>> try:
    ...     asyncio.run(synthkd.adistill("recipe.yaml"))
    ... except synthkd.SynthKDError as error:
    ...     print(error)
    recipe 'everyday' has no `loop`; docs/guides/pgkd.md begins with one
""",
}

#: Generate, filter and publish without holding up the event loop.
arun = _twin(run)
#: Ask the teacher for what is not in the journal, without holding up the event loop.
agenerate = _twin(generate)
#: Give every candidate an outcome, without holding up the event loop.
afilter = _twin(filter)
#: Render every prompt and count, without holding up the event loop.
adry_run = _twin(dry_run)
#: Send a few requests and project the run, without holding up the event loop.
aprobe = _twin(probe)
#: Run the loop of a recipe, without holding up the event loop.
adistill = _twin(distill)
