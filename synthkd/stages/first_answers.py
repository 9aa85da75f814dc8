"""Stop a run whose first answers are all useless, such as empty or cut ones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from synthkd.finish_reasons import RECORDED, Finish, meaning_of
from synthkd.text.thoughts import split_thoughts

if TYPE_CHECKING:
    from synthkd.stages.components import Components

#: Requests that the first answers come from at least: many samples of one odd input say little.
_REQUESTS = 8


class FirstAnswers:
    """Finds out whether the first answers of a run are all useless.

    An answer is useless if it is empty, holds a model's thoughts alone, was cut by a limit and is
    rejected for that, or ended for a reason that is not known to mean that it is whole. Answers in
    the journal count like new ones, so that a run that was stopped does not pay again for the same
    finding. Another `max_tokens` or effort makes other requests, for which the search begins anew.
    The first useful answer ends the search.

    Attributes:
        open: Whether the finding is still open.
        why: Why the run is to stop; empty if it is not.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self._most = components.recipe.limits.useless_answers
        # A list that was cut has whole candidates before its last.
        self._cut = not components.kind.several and any(
            rule.name == "unfinished" for rule in components.rules
        )
        self._requests: set[str] = set()
        self._answers = 0
        self._counts: Counter[str] = Counter()
        self._odd: Counter[str] = Counter()
        self.open = self._most is not None
        self.why = ""

    def look(self, request_id: str, text: str, finish_reason: str, reasoning: bool) -> None:
        """Look at one answer; ``reasoning``: the server sent thoughts beside the text."""
        if not self.open:
            return
        finish = self.components.part_of(text).finish(finish_reason)
        if finish == RECORDED or not (faults := self._faults(text, finish, reasoning)):
            self.open = False
            return
        self._counts.update(faults)
        self._requests.add(request_id)
        self._answers += 1
        assert self._most is not None
        if self._answers >= self._most and len(self._requests) >= min(_REQUESTS, self._most):
            self.open = False
            self.why = self._message()

    def _faults(self, text: str, finish_reason: str, reasoning: bool) -> list[str]:
        """Return why an answer is useless; nothing for a useful one."""
        found = []
        answer = split_thoughts(text)
        empty = not answer.text.strip()
        if empty:
            found.append("thoughts" if answer.thoughts or reasoning else "empty")
        unknown = self.components.why_incomplete(finish_reason) is not None
        if meaning_of(finish_reason) is Finish.TRUNCATED:
            if empty or self._cut or unknown:
                found.append("cut")
        elif unknown:
            self._odd[finish_reason] += 1
            found.append("odd")
        return found

    def _message(self) -> str:
        counts, sampling = self._counts, self.components.recipe.teacher.sampling
        (odd, _), *_ = self._odd.most_common(1) or [("", 0)]
        words = {
            "empty": "empty",
            "thoughts": "with thoughts and no answer",
            "cut": "cut by a limit on tokens",
            "odd": f"ended with {odd!r}, which is not known to mean that a text is whole",
        }
        listed = ", ".join(
            f"{counts[name]:,} {what}" for name, what in words.items() if counts[name]
        )
        if counts["cut"]:
            remedy = f"raise teacher.sampling.max_tokens ({sampling.max_tokens} now)"
            if counts["thoughts"] or counts["empty"]:
                remedy += (
                    ", which counts a reasoning model's thoughts too, or set"
                    " teacher.sampling.reasoning_effort: low"
                )
        elif counts["odd"]:
            remedy = f"if it means that, name it in teacher.finish_reasons: [{odd}]"
        elif counts["thoughts"]:
            remedy = (
                "ask for the answer in the template, or set teacher.sampling.reasoning_effort: low"
            )
        else:
            remedy = (
                "look at teacher.sampling.stop and the template (`synthkd probe` shows what comes)"
            )
        return (
            f"stopped: the first {self._answers:,} answers are of no use ({listed}); {remedy}. What"
            " came is kept; the same"
            " command goes on with the new setting (limits.useless_answers: null goes on as it is)"
        )
