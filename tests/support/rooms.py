"""The rooms of the package, from which the architecture page and the import test are made."""

from __future__ import annotations

#: From the top to the bottom, each with what it holds. A room imports from the rooms below it.
ROOMS: tuple[tuple[str, str], ...] = (
    ("__main__", "`python -m synthkd`"),
    ("cli", "arguments in, API calls, tables or JSON out"),
    ("twins", "`arun` and the other asynchronous twins of the verbs"),
    ("plots", "plots of critics and loops, with matplotlib"),
    ("commands", "what single verbs do: init, dry run, probe, show, describe, segment, pairs"),
    (
        "loops",
        "the loop that a student steers: rounds; `labelled/` and `triples/` beside each other",
    ),
    ("pipeline", "`run`, `generate`, `filter`, `publish`: the steps of a recipe in a row"),
    ("steps", "recipes of several steps: what each one asks about, and the lineage of rows"),
    ("cluster", "a recipe on the nodes of a Ray cluster: shards, leases, exports"),
    (
        "stages",
        "the stages of a run: plan (components, inputs, requests), generate, parse, filter, critic;"
        " processes, places, report",
    ),
    ("students", "`classifiers/`, `generators/`, losses, `metrics/`, training, serving"),
    (
        "critics",
        "linear, `text/`, `triples/`, `encoder/`, `judge/`, stack; label sheets; `calibration/`",
    ),
    ("filters", "rules, votes, order, near-duplicates, label noise"),
    ("corpora", "schema, read, write, card, `diversity/`"),
    ("labels", "which rows to label, the label sheet, sessions, agreement, other tools' files"),
    (
        "teachers",
        "the contract of a backend, `remote/`, `openai/`, `batch/`, `vllm/`, `transformers/`,"
        " `pool/`, recorded; `dispatch/`; purchase: the one way to buy completions",
    ),
    ("kinds", "the contract of a kind, and one file or folder for each"),
    ("encoders", "transformers encoders: load, batch, embed"),
    ("testing", "a server on loopback with planted faults"),
    ("prompts", "templates, and the sandbox that renders them"),
    (
        "journal",
        "the durable store of completions: store, writer, ledger, claim, batches, exchange",
    ),
    ("prices", "what a model costs"),
    ("requests", "requests, completions, failures, and the key of each"),
    ("recipe", "what a user asks for: the models behind the YAML"),
    ("decorators", "`@synthkd.rule` and the decorators of the other groups"),
    ("row_functions", "plug-ins made of a function of a row"),
    ("plugins", "backends, kinds, rules, critics and students by name"),
    ("returned_values", "checks of what plug-ins from outside return"),
    ("options", "options of plug-ins: models, and the words for types, bounds and mistakes"),
    ("rows", "rows of CSV, JSONL, Parquet and text files; cells as text"),
    ("artifacts", "folders of arrays and JSON with hashes, for critics and students"),
    ("statistics", "calibration error, bootstrap, expectation maximisation"),
    ("resources", "files that come with the package"),
    ("safeyaml", "bounded YAML without duplicate keys"),
    ("secrets", "addresses and headers, shown without their secrets"),
    ("storage", "write files and folders whole; know the folders that synthkd wrote"),
    ("keys", "content hashes"),
    ("progress", "what long work shows"),
    ("text", "normal forms, nouns, number words, JSON in text, thoughts, near-duplicates, TF-IDF"),
    ("errors", "every error that is raised on purpose"),
    (
        "reporting",
        "tables as text, Markdown and HTML; text from outside made safe where it is shown",
    ),
    ("finish_reasons", "whether a text is whole, by the words of all large providers"),
    ("fastjson", "JSON of what goes over the wire"),
    ("lazy_names", "faces of packages, whose names load their modules at first use"),
    ("_version", "the version"),
)
