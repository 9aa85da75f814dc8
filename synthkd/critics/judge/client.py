"""The client of a judge: any backend through a journal, so that replies are bought once.

    requests ──► not in the journal? ──► reserved with their cost ──► backend ──► answered
                                                                                     │
    replies  ◄──────────────────────── read from the journal ◄───────────────────────┘

The key of a reply is that of any completion: another template, model or sampling buys again,
another parser or calibration does not. A killed process loses what was in flight, and the next one
resumes.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synthkd import plugins
from synthkd.errors import CriticError, RecipeError, TeacherError
from synthkd.journal import Journal
from synthkd.recipe import Recipe, TeacherPart
from synthkd.requests import Completion, Failure, Message, Request, Sampling
from synthkd.secrets import Url
from synthkd.teachers.base import Teacher
from synthkd.teachers.event_loop import run_async
from synthkd.teachers.purchase import buy_missing, missing_samples
from synthkd.teachers.spending import SpendingBounds

#: Sampling of a judge, unless the teacher part sets another.
_SAMPLING: dict[str, Any] = {"temperature": 0.0, "max_tokens": 16, "logprobs": True}

Replies = list[Completion | Failure]


@dataclass(frozen=True)
class JudgeQuestion:
    """One question to a judge; a recorded reply is found by its ``name``."""

    name: str
    messages: tuple[Message, ...]


class JudgeClient:
    """Sends questions to a judge.

    A second process with the same run waits for the first, and reads the replies that the first
    bought.

    Args:
        teacher: A recipe's teacher part as a mapping.
        journal: A path, or an open `Journal`.
        samples: Number of replies to each question.
        chat: Whether the prompt is a chat.
        limits: A recipe's limits.
        folder: Start of relative paths.
        run: Name under which costs are counted, over all processes and resumptions.
        announce: Log the destination of texts as a warning instead of information, since the prompt
            comes from a folder that may be somebody else's.
    """

    def __init__(
        self,
        teacher: Mapping[str, Any],
        journal: str | Path | Journal = "judge.sqlite",
        *,
        samples: int = 1,
        chat: bool = True,
        limits: Mapping[str, Any] | None = None,
        folder: str | Path = ".",
        run: str = "judge",
        announce: bool = False,
    ) -> None:
        if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
            raise CriticError(
                f"samples is {samples!r}; a verdict needs a whole number of replies, at least one"
            )
        given = dict(teacher.get("sampling") or {})
        if "n" in given:
            raise CriticError(
                "teacher.sampling.n: set the number of replies by the critic's option `samples`"
            )
        defaults = _SAMPLING | ({"temperature": 1.0} if samples > 1 else {})
        part = {**teacher, "sampling": {**defaults, **given, "n": samples}}
        raw = {
            "name": run,
            "inputs": {"count": 1},
            "corpus": {"path": "."},
            "teacher": part,
            "limits": dict(limits or {}),
        }
        self.recipe = Recipe.from_dict(raw, folder, source="judge")
        backend = plugins.find("backends", self.recipe.teacher.backend)
        if not backend.gives_logprobs and "logprobs" not in given:
            # Verdicts are read from the texts.
            part = {**part, "sampling": {**part["sampling"], "logprobs": False}}
            self.recipe = Recipe.from_dict({**raw, "teacher": part}, folder, source="judge")
        self.teacher: Teacher = backend.from_recipe(self.recipe)
        self.journal, self.announce = journal, announce
        self.sampling = self._sampling(
            chat if self.recipe.teacher.chat is None else self.recipe.teacher.chat
        )
        self._identity: str | None = None
        try:
            self.bounds = SpendingBounds.of(self.recipe, self.teacher)
        except RecipeError as error:
            raise CriticError(str(error)) from None

    def _sampling(self, chat: bool) -> Sampling:
        """Return the sampling with first-token probabilities requested."""
        sampling = Sampling(**self.recipe.teacher.sampling.model_dump())
        sampling = replace(sampling, stop=tuple(sampling.stop))
        if not sampling.logprobs:
            return sampling
        return replace(
            sampling, extra_body={**self.teacher.top_logprobs(chat), **sampling.extra_body}
        )

    @property
    def identity(self) -> str:
        """Identity of the model."""
        if self._identity is None:
            self._identity = self.teacher.identity
        return self._identity

    def request(self, question: JudgeQuestion) -> Request:
        """Return the request of a question."""
        samples = tuple(range(self.sampling.n))
        return Request(self.identity, question.messages, self.sampling, samples, question.name)

    def ask(self, questions: Sequence[JudgeQuestion]) -> list[Replies]:
        """Return the replies to each question, one for each sample, in order.

        Raises:
            TeacherError: Some replies are missing but may come later; the others are kept.
        """
        requests = [self.request(question) for question in questions]
        with self._opened() as journal:
            if missing_samples(journal, requests):
                with journal.claim(self.recipe.name, logging.getLogger("synthkd").warning):
                    # Another process may have bought some while this one waited.
                    if missing := missing_samples(journal, requests):
                        self._announce(missing, journal)
                        run_async(self._buy(journal, missing))
            return self._read(journal, requests)

    def _announce(self, missing: Sequence[Request], journal: Journal) -> None:
        """Log the destination of texts before they are sent."""
        rows, replies = len(missing), sum(len(request.sample_indexes) for request in missing)
        logging.getLogger("synthkd").log(
            logging.WARNING if self.announce else logging.INFO,
            "judge: the text of %s goes to %s, %s; journal %s",
            f"{rows:,} {'row' if rows == 1 else 'rows'}"
            + (f" ({replies:,} replies)" if replies != rows else ""),
            destination(self.recipe.teacher, self.teacher),
            f"model {self.recipe.teacher.model!r}",
            journal.path,
        )

    @contextmanager
    def _opened(self) -> Iterator[Journal]:
        if isinstance(self.journal, Journal):
            yield self.journal
            return
        with Journal(self.recipe.resolve(str(self.journal))) as journal:
            yield journal

    async def _buy(self, journal: Journal, missing: list[Request]) -> None:
        logger = logging.getLogger("synthkd")
        await buy_missing(
            self.teacher, journal, self.recipe.name, self.bounds, missing, logger.info
        )

    def _read(self, journal: Journal, requests: Sequence[Request]) -> list[Replies]:
        ids = list({request.request_id for request in requests})
        cached, failed = journal.completions(ids), journal.failures(ids)
        replies: list[Replies] = []
        reasons: Counter[str] = Counter()
        for request in requests:
            kept: Replies = []
            for index in request.sample_indexes:
                reply = cached.get(request.request_id, {}).get(index)
                failure = failed.get(request.request_id, {}).get(index)
                if reply is not None:
                    kept.append(reply)
                elif failure is not None and failure.permanent:
                    kept.append(failure)
                else:
                    reasons[failure.reason if failure else "not sent: the cap is reached"] += 1
            replies.append(kept)
        if reasons:
            why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
            raise TeacherError(
                f"{sum(reasons.values()):,} verdicts are missing ({why}); the others are in"
                f" {journal.path}, and the same call resumes from there"
            )
        return replies


def destination(part: TeacherPart, teacher: Teacher) -> str:
    """Describe where texts go: hosts and environment variables, or a local backend."""
    urls = list(teacher.base_urls)
    if not urls:
        return f"the backend {part.backend!r} on this machine"
    hosts = sorted({urlsplit(str(url)).netloc.rsplit("@", 1)[-1] or str(url) for url in urls})
    named = {teacher.key_variable, *part.headers.variables()}
    for url in (*urls, part.proxy):
        named |= set(url.variables()) if isinstance(url, Url) else set()
    variables = sorted(name for name in named if name in os.environ)
    sent = f" with {', '.join(f'${name}' for name in variables)}" if variables else " without a key"
    proxy = (
        f" through the proxy {urlsplit(str(part.proxy)).netloc.rsplit('@', 1)[-1]}"
        if part.proxy
        else ""
    )
    return f"{', '.join(hosts)}{sent}{proxy}"
