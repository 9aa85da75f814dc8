"""A recipe of three steps over documents, and the answers of its teacher."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from synthkd.recipe import Recipe

WORDS = ["stone", "river", "garden", "paper", "glass", "bread", "water", "wood", "house", "bird"]


def document(number: int) -> str:
    """Return three sentences about things that the number chooses."""
    one, other, third = (WORDS[(number + step) % len(WORDS)] for step in (0, 3, 7))
    return f"The {one} {number} is by the {other}. It holds {third}. Nobody knows why."


def answer(prompt: str, index: int, seed: int) -> str:
    """Answer any of the three steps by what its prompt asks for."""
    text = prompt.rpartition("text: ")[2].splitlines()[0]
    if "Rewrite" in prompt:
        # Every fifth document is rewritten into something else.
        number = int(re.findall(r"\d+", text)[0])
        return json.dumps({"plain": "Something else." if number % 5 == 0 else text})
    if "Name the things" in prompt:
        things = sorted({word for word in re.findall(r"[a-z]+", text) if word in WORDS})
        return json.dumps([{"thing": thing} for thing in things])
    things = re.findall(r"- (\w+)", prompt)
    return json.dumps([{"head": things[0], "tail": other} for other in things[1:]])


def record(task: str, columns: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the kind and prompt of a step with records."""
    return {
        "kind": {"name": "record", "options": {"columns": columns, **options}},
        "prompt": {"template": "record/json", "variables": {"task": task}},
    }


def steps_recipe(folder: Path, url: str, documents: int = 10, **parts: Any) -> dict[str, Any]:
    """Write the documents of a recipe of three steps, and return the recipe."""
    lines = [json.dumps({"doc": f"d{i}", "text": document(i)}) for i in range(documents)]
    (folder / "documents.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "links.j2").write_text(
        "---\nkind: record\nchat: true\n---\nLink the things.\n"
        "{% for thing in things %}\n- {{ thing.thing }}\n{% endfor %}\ntext: {{ plain }}\n"
    )
    (folder / "rules.py").write_text(
        "def same(row):\n    return 'another text' if row['plain'] != row['text'] else None\n"
    )
    shared = {"doc": "text", "text": "text"}
    raw: dict[str, Any] = {
        "name": "facts",
        "inputs": {"path": "documents.jsonl"},
        "teacher": {
            "backend": "openai", "model": "fake", "base_url": url, "sampling": {"max_tokens": 100},
        },
        "steps": {
            "rewrite": {
                **record("Rewrite it.", {**shared, "plain": "text"}, inputs=["doc", "text"]),
                "rules": ["empty", "rules.py:same"],
            },
            "things": record(
                "Name the things.",
                {"doc": "text", "text": "text", "thing": "text"},
                inputs=["doc", "text"],
                several=True,
            ),
            "links": {
                "inputs": {
                    "from": "rewrite",
                    "apply": [{"join": {"step": "things", "by": ["doc"], "rows": "things"}}],
                },
                "kind": {
                    "name": "record",
                    "options": {
                        "columns": {"doc": "text", "head": "text", "tail": "text"},
                        "inputs": ["doc"], "several": True,
                    },
                },
                "prompt": {"template": "links.j2"},
            },
        },
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    return raw | parts


def load_steps(folder: Path, url: str, documents: int = 10, **parts: Any) -> Recipe:
    """Return the recipe of three steps."""
    return Recipe.from_dict(steps_recipe(folder, url, documents, **parts), folder)
