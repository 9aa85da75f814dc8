"""`synthkd init`: a folder with an example recipe and its files, which runs at once."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from synthkd.commands.model_traits import SMALL, ModelTraits, model_traits
from synthkd.errors import InputError, nearest
from synthkd.resources import resource
from synthkd.storage import check_place, storage_errors, write_text
from synthkd.teachers.transformers import EMBEDDED

#: Examples that run as they are, on the embedded teacher.
EXAMPLES = (
    "everyday", "critic", "comparatives", "messages", "pgkd", "pgkd-triples", "places",
    "propositions", "rationales",
)  # fmt: skip
#: Examples that need a server.
SERVED_EXAMPLES = ("records",)
#: The example of each kind that has one.
OF_KINDS = {
    "triple": "everyday", "comparative": "comparatives", "labelled_text": "messages",
    "proposition": "propositions", "rationale": "rationales", "record": "records",
}  # fmt: skip
#: Templates for models that follow an instruction; others go on with a list, `KIND/continue`.
CHAT_TEMPLATES = {
    "triple": "triple/everyday-chat", "event": "event/chat", "comparative": "comparative/chat",
    "labelled_text": "labelled_text/chat", "proposition": "proposition/grouped",
    "rationale": "rationale/chat", "fact": "fact/from-text", "span": "span/json",
    "record": "record/json",
}  # fmt: skip
_SHIPPED = re.compile(r"(?:\.\./)+((?:corpora|critics|prompts)/[\w./-]+)")

#: Journals hold whole answers and may be large; runs are made again from them at no cost.
_GITIGNORE = """\
# Journals (what was bought: keep a copy elsewhere) and what is made again from them.
*.sqlite
*.sqlite-*
runs/
"""


def write_starter(
    folder: Path | str,
    example: str | None = None,
    kind: str | None = None,
    model: str | None = None,
) -> Path:
    """Write the recipe of an example and the files that it names into a new folder.

    Args:
        folder: A new or empty folder; another one is refused.
        example: One of `EXAMPLES` or `SERVED_EXAMPLES`. Default: `everyday`.
        kind: A kind, in place of an example.
        model: The model that the recipe asks: a folder, a GGUF file, a hub name or the name of a
            served model. Its size and its chat template choose the prompt. Default: the model of
            the example. The kind is then `triple` by default.

    Returns:
        The path of the recipe.

    Raises:
        InputError: No such example or model, or the folder is not empty.

    Example:
        >>> import synthkd
        >>> path = synthkd.write_starter("messages", "messages")
        >>> synthkd.dry_run(path).inputs
        192
    """
    folder = Path(folder)
    if example is not None and (kind is not None or model is not None):
        raise InputError(f"give either --example or {'--kind' if kind else '--model'}")
    if model is not None and model != EMBEDDED:
        kind = kind or "triple"
        if kind not in CHAT_TEMPLATES:
            hint = nearest(kind, list(CHAT_TEMPLATES))
            raise InputError(f"no recipe of the kind {kind!r} for a model{hint}")
        traits = model_traits(model)
        text = resource(f"examples/starters/{kind}.yaml").read_text("utf-8")
        return _write(folder, recipe_for_model(text, kind, traits, folder))
    if kind is not None:
        if kind not in OF_KINDS:
            more = "; give --model" if kind in CHAT_TEMPLATES else nearest(kind, list(OF_KINDS))
            raise InputError(f"no example of the kind {kind!r}{more}")
        example = OF_KINDS[kind]
    example = example or "everyday"
    examples = (*EXAMPLES, *SERVED_EXAMPLES)
    if example not in examples:
        raise InputError(f"there is no example {example!r}; examples: {', '.join(examples)}")
    text = resource(f"examples/{example}.yaml").read_text("utf-8")
    return _write(
        folder, text.replace("../demo/", "").replace(f"examples/{example}.yaml", "recipe.yaml")
    )


def _write(folder: Path, text: str) -> Path:
    """Write a recipe, and copy the shipped files that it names."""
    check_place(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted({*_SHIPPED.findall(text)}):
            shutil.copyfile(resource(name), folder / Path(name).name)
    write_text(folder / ".gitignore", _GITIGNORE)
    write_text(folder / "recipe.yaml", _SHIPPED.sub(lambda found: Path(found[1]).name, text))
    return folder / "recipe.yaml"


def recipe_for_model(text: str, kind: str, traits: ModelTraits, folder: Path) -> str:
    """Return a starter's recipe with a model and the template that fits it.

    Args:
        text: The starter, for a local model that goes on with a list.
        kind: Its kind.
        traits: The model.
        folder: The recipe's folder, from which a relative path of the model starts.
    """
    continues, why = continues_lists(traits)
    template, other = f"{kind}/continue", CHAT_TEMPLATES[kind]
    if continues:
        comment = [
            f"This model goes on with a list, since {why}.",
            f"For one that follows instructions: {other}",
        ]
    else:
        template, other = other, template
        comment = [
            f"This model gets an instruction: {why}.",
            f"For a base model, which goes on with a list: {other}",
        ]
        text = re.sub(r"^ +variables: \{list_of:.*\n", "", text, flags=re.MULTILINE)
    lines = "".join(f"  # {line}\n" for line in comment)
    text = text.replace(f"  template: {kind}/continue\n", f"{lines}  template: {template}\n")
    backend = "  backend: transformers\n"
    if not traits.is_local:
        server = "  # base_url: http://127.0.0.1:8000/v1 # default: what OPENAI_BASE_URL says\n"
        text = text.replace(backend, f"  backend: openai\n{server}")
        # Not every server tells log-probabilities; the default rules of events need them.
        text = text if kind == "event" else text.replace(", logprobs: true", "")
    elif traits.path is None:
        server = (
            "  # or a server that has it: backend: openai, base_url: http://127.0.0.1:8000/v1\n"
        )
        text = text.replace(backend, server + backend)
    return text.replace("  model: MODEL\n", f"  model: {_quoted(_place(traits, folder))}\n")


def continues_lists(traits: ModelTraits) -> tuple[bool, str]:
    """Return whether a model is to go on with a list rather than follow an instruction, and why."""
    if traits.is_gguf:
        return True, "a GGUF file is a small model as a rule"
    if traits.has_chat_template is False:
        return True, "it has no chat template, as base models"
    size = traits.parameters
    if size is not None and size < SMALL:
        return True, f"it has {size / 1e6:,.0f} million parameters, few for instructions"
    known = "it has a chat template" if traits.has_chat_template else "nothing says it is small"
    return False, known if size is None else f"{known}, and {size / 1e9:,.1f} billion parameters"


def _place(traits: ModelTraits, folder: Path) -> str:
    """Return the model as the recipe names it: a relative path starts from the recipe's folder."""
    given = Path(traits.model).expanduser()
    if not given.exists() or given.is_absolute():
        return traits.model
    return Path(os.path.relpath(given, folder)).as_posix()


def _quoted(text: str) -> str:
    """Return a text as a YAML scalar."""
    return text if re.fullmatch(r"[\w./][\w./-]*", text) else json.dumps(text, ensure_ascii=False)
