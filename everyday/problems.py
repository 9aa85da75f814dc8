"""Word problems of one or two steps, written and parsed with templates.

The right answer is computed from the words of a question, so that no answer is stored. A rationale
is valid if all its equations are right, the last one gives the answer, and the answer is right;
`answer_valid` checks the answer alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from everyday.text import Document
from synthkd.keys import fraction

#: Share of the equations (`12 - 5`) that are kept out of the training data.
KEPT_OUT = 0.1

HIM = ("Tom", "Ben", "Sam", "Leo", "Max", "Jack")
HER = ("Ann", "Eva", "Mia", "Ida", "Zoe", "Lily")
NAMES = (*HIM, *HER)
THINGS = (
    "apples",
    "books",
    "coins",
    "cards",
    "eggs",
    "pens",
    "shells",
    "balls",
    "cakes",
    "stamps",
    "stones",
    "toys",
)
HOLDERS = ("boxes", "bags", "baskets", "bowls")


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence of a question: its words with slots, and its operator on the number so far."""

    words: str
    operator: str


#: Beginnings of a story, with the first number; two numbers are a step.
STARTS = (
    Part("{name} has {a} {things}.", ""),
    Part("{name} has {a} {holders} with {b} {things} in each.", "*"),
)
#: Events of a story.
EVENTS = (
    Part("{he} gets {n} {things} from {other}.", "+"),
    Part("{he} buys {n} more {things}.", "+"),
    Part("{he} finds {n} {things}.", "+"),
    Part("{he} gives {n} {things} to {other}.", "-"),
    Part("{he} loses {n} {things}.", "-"),
    Part("{he} sells {n} {things}.", "-"),
)
#: Questions; sharing is the last step.
ENDS = (
    Part("How many {things} does {name} have now?", ""),
    Part("How many {things} does {name} have left?", ""),
    Part(
        "{he} shares the {things} among {n} friends. How many {things} does each friend get?", "/"
    ),
    Part("{he} puts the {things} into {n} {holders}. How many {things} are in each?", "/"),
)
_SLOTS = {
    "name": "|".join(NAMES), "he": "He|She", "other": "|".join(NAMES), "things": "|".join(THINGS),
    "holders": "|".join(HOLDERS), "a": r"\d+", "b": r"\d+", "n": r"\d+",
}  # fmt: skip
_EQUATION = re.compile(r"(\d+)\s*([-+*/x×÷−])\s*(\d+)\s*=\s*(-?\d+)")
_SAME = {"x": "*", "×": "*", "÷": "/", "−": "-"}


@dataclass(frozen=True)
class Problem:
    """A question and its steps, each (left, operator, right)."""

    question: str
    premise: str
    steps: tuple[tuple[int, str, int], ...]

    @cached_property
    def results(self) -> tuple[int, ...]:
        """Results of the steps."""
        return tuple(calculate(*step) for step in self.steps)

    @property
    def answer(self) -> int:
        """Result of the last step."""
        return self.results[-1]

    @property
    def rationale(self) -> str:
        """The steps in the words of the training data."""
        equations = [
            f"{a} {op} {b} = {c}." for (a, op, b), c in zip(self.steps, self.results, strict=True)
        ]
        return " ".join([self.premise, *equations])


def calculate(left: int, operator: str, right: int) -> int:
    """Return the exact result.

    Raises:
        ValueError: A division leaves a remainder.
    """
    if operator == "/":
        if not right or left % right:
            raise ValueError(f"{left} / {right} is no whole number")
        return left // right
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def read(question: str) -> Problem | None:
    """Parse the problem of a question; None if no template fits."""
    text = " ".join(question.split())
    for start in STARTS:
        match = _pattern(start).match(text)
        if match:
            return _read_on(text, match, start)
    return None


def _read_on(text: str, match: re.Match[str], start: Part) -> Problem | None:
    steps: list[tuple[int, str, int]] = []
    value = int(match["a"])
    try:
        if start.operator:
            steps.append((value, start.operator, int(match["b"])))
            value = calculate(*steps[-1])
        premise, at = match.group(0), match.end()
        while at < len(text):
            step = next(
                (
                    (p, m)
                    for p in (*EVENTS, *ENDS)
                    if (m := _pattern(p).match(text, at + 1)) and _same(m, match)
                ),
                None,
            )
            if step is None:
                return None
            part, here = step
            if part.operator:
                steps.append((value, part.operator, int(here["n"])))
                value = calculate(*steps[-1])
            at = here.end()
            if part in ENDS:
                return Problem(text, premise, tuple(steps)) if steps and at == len(text) else None
    except ValueError:
        return None
    return None


def _same(here: re.Match[str], start: re.Match[str]) -> bool:
    """Return True if a sentence is about the person and the things of the story's beginning."""
    parts, he = here.groupdict(), "He" if start["name"] in HIM else "She"
    return (
        parts["things"] == start["things"]
        and parts.get("name", start["name"]) == start["name"]
        and parts.get("he", he) == he
    )


def _pattern(part: Part) -> re.Pattern[str]:
    if part not in _PATTERNS:
        seen: set[str] = set()

        def slot(match: re.Match[str]) -> str:
            name = match[1]
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            return f"(?P<{name}>{_SLOTS[name]})"

        words = re.escape(part.words).replace(r"\{", "{").replace(r"\}", "}")
        _PATTERNS[part] = re.compile(re.sub(r"{(\w+)}", slot, words))
    return _PATTERNS[part]


_PATTERNS: dict[Part, re.Pattern[str]] = {}


def make(rng: random.Random) -> Problem:
    """Draw a problem of one or two steps."""
    while True:
        steps = rng.choice((1, 2))
        start = rng.choices(STARTS, (3, 1))[0]
        end = rng.choices(ENDS, (3, 1, 1, 1))[0]
        events = rng.choices(EVENTS, k=max(0, steps - bool(start.operator) - bool(end.operator)))
        problem = read(_tell([start, *events, end], rng))
        if (
            problem
            and 1 <= len(problem.steps) <= 2
            and all(0 < each <= 40 for each in problem.results)
        ):
            return problem


def _tell(parts: list[Part], rng: random.Random) -> str:
    name, other = rng.sample(NAMES, 2)
    fixed = {
        "name": name,
        "other": other,
        "things": rng.choice(THINGS),
        "holders": rng.choice(HOLDERS),
    }
    sentences = []
    fixed["he"] = "He" if name in HIM else "She"
    for part in parts:
        small = part.operator in ("*", "/")
        numbers = {"a": rng.randint(2, 6 if small else 20), "b": rng.randint(2, 6)}
        numbers["n"] = rng.randint(2, 5 if small else 12)
        sentences.append(part.words.format(**fixed, **numbers))
    return " ".join(sentences)


def equation_seen(step: tuple[int, str, int]) -> bool:
    """Return True if an equation may be in the training data."""
    return fraction("equation|" + " ".join(map(str, step))) >= KEPT_OUT


def seen(row: Mapping[str, Any]) -> bool:
    """Return True if all equations of a row's question may be in the training data."""
    problem = read(str(row["question"]))
    return problem is not None and all(map(equation_seen, problem.steps))


def answer_valid(row: Mapping[str, Any]) -> bool:
    """Return True if the answer of a row (question, answer) is right."""
    problem = read(str(row["question"]))
    return problem is not None and _number(str(row["answer"])) == problem.answer


def valid(row: Mapping[str, Any]) -> bool:
    """Return True if all equations of a row are right and give the right answer."""
    equations = _EQUATION.findall(str(row["rationale"]))
    if not equations or not answer_valid(row):
        return False
    try:
        right = all(
            calculate(int(a), _SAME.get(op, op), int(b)) == int(c) for a, op, b, c in equations
        )
    except ValueError:
        return False
    return right and int(equations[-1][3]) == _number(str(row["answer"]))


def _number(text: str) -> int | None:
    numbers = re.findall(r"-?\d+", text)
    return int(numbers[-1]) if numbers else None


def say(problem: Problem) -> tuple[str, str]:
    """Return the prompt of a problem and its continuation."""
    given = f"Question: {problem.question}\nAnswer:"
    return given, f" {problem.rationale} The answer is {problem.answer}.\n\n"


def documents(seed: int, count: int = 900, shots: int = 1) -> Iterator[Document]:
    """Yield blocks of problems without kept-out equations."""
    rng = random.Random(seed)  # noqa: S311
    for _ in range(count):
        block: Document = []
        while len(block) <= shots:
            problem = make(rng)
            if all(map(equation_seen, problem.steps)):
                block.append(say(problem))
        yield block
