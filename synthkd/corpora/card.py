"""The dataset card: a README whose YAML head makes ``datasets.load_dataset(path)`` work."""

from __future__ import annotations

from typing import Any

import yaml

from synthkd.corpora.diversity.tables import cost_sentence, diversity_rows
from synthkd.corpora.target_table import target_section
from synthkd.reporting.safe_text import clean, markdown, markdown_code
from synthkd.reporting.tables import markdown_table


def dataset_card(manifest: dict[str, Any], sample: list[dict[str, Any]]) -> str:
    """Return the card as Markdown, with a YAML head as the Hugging Face hub reads it.

    Args:
        manifest: The manifest of the corpus.
        sample: Accepted rows, of which some are shown.
    """
    counts, recipe = manifest["counts"], manifest["recipe"]
    title = recipe["corpus"].get("title") or recipe["name"]
    head: dict[str, Any] = {
        "pretty_name": clean(title),
        "tags": ["synthkd", "synthetic", clean(manifest["kind"]["name"])],
        "configs": [
            {
                "config_name": "default",
                # `datasets` caches by folder name and head, which must change with the rows.
                "description": f"corpus {manifest['corpus_hash']}",
                "data_files": [
                    {"split": split, "path": f"data/{split}-*.parquet"} for split in _splits(counts)
                ],
            }
        ],
    }
    if recipe["corpus"].get("license"):
        head["license"] = clean(recipe["corpus"]["license"])
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---",
        f"# {markdown(title)}",
        _description(manifest),
        "## Counts\n\n"
        + markdown_table(
            [("", "rows"), *[(name, f"{value:,}") for name, value in _count_rows(counts)]]
        ),
        _steps(manifest),
        _sources((counts.get("votes") or {}).get("sources")),
        target_section(manifest.get("target")),
        _findings(counts.get("findings") or {}),
        _precision(manifest.get("critic")),
        _unread_numbers(manifest.get("critic")),
        _diversity(manifest["diversity"]),
        _sample(sample, manifest["kind"]["columns"]),
        _columns(manifest["kind"]["columns"]),
        "## Read it\n\n```python\nimport datasets\n"
        f'rows = datasets.load_dataset("PATH", split="{_splits(counts)[0]}")\n```\n',
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _splits(counts: dict[str, Any]) -> list[str]:
    """Return the splits with rows, as `datasets` cannot load a folder with an empty split."""
    rows = {
        "accepted": counts["accepted"],
        "rejected": sum(counts["rejected"].values()) + counts["malformed"],
    }
    return [name for name, count in rows.items() if count] or ["accepted"]


def _description(manifest: dict[str, Any]) -> str:
    teacher, prompt = manifest["teacher"], manifest["prompt"]
    template = (
        f"the template {markdown_code(prompt['name'])}" if prompt else "no template (recorded rows)"
    )
    return (
        f"Candidates of the kind {markdown_code(manifest['kind']['name'])}, written by"
        f" {markdown_code(teacher['identity'])} from {template} and filtered by synthkd"
        f" {manifest['synthkd']}. What was rejected is here too, with its reason. `manifest.json`"
        f" says how all of it was made (manifest {manifest['manifest_hash']})."
    )


#: Outcomes of votes, in the order of the card.
_VOTES = {
    "questions": "that got an answer",
    "unanimous": "with one answer only",
    "led": "with a leading answer",
    "tied": "tied",
}


def _count_rows(counts: dict[str, Any]) -> list[tuple[str, int]]:
    rows = [
        (name, counts[name]) for name in ("asked", "completed", "failed", "candidates", "malformed")
    ]
    rows += [(f"rejected by {name}", value) for name, value in counts["rejected"].items()]
    rows.append(("accepted", counts["accepted"]))
    votes = counts.get("votes") or {}
    return rows + [(f"questions {_VOTES[name]}", votes[name]) for name in _VOTES if name in votes]


def _findings(findings: dict[str, Any]) -> str:
    """Return what rules tell beside their outcomes."""
    parts = []
    for name, facts in sorted(findings.items()):
        table = [[str(cell) for cell in row] for row in facts.get("table") or []]
        lines = [markdown(str(facts.get("sentence", ""))), markdown_table(table) if table else ""]
        parts.append("\n\n".join([f"## {markdown(name.capitalize())}", *filter(None, lines)]))
    return "\n\n".join(parts)


def _sources(sources: list[dict[str, Any]] | None) -> str:
    """Return the table of agreeing sources; empty without votes of sources."""
    if not sources:
        return ""
    rows: list[tuple[object, ...]] = [("sources", "answers", "coverage", "precision", "labelled")]
    for one in sources:
        precision = "not known"
        if one.get("precision") is not None:
            precision = f"{one['precision']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        rows.append(
            (
                f"{one['sources']} or more",
                f"{one['answers']:,}",
                f"{one['coverage']:.3f}",
                precision,
                f"{one.get('labelled', 0):,}",
            )
        )
    note = (
        "Answers that so many distinct sources give, the share of questions that have one, and the"
        " share of valid ones among those with a verdict, with its 95 % interval."
    )
    return f"## Agreement of sources\n\n{note}\n\n{markdown_table(rows)}"


def _steps(manifest: dict[str, Any]) -> str:
    """Show the steps of a corpus that was made in several."""
    if "steps" not in manifest:
        return ""
    rows = [("step", "kind", "teacher", "asked", "candidates", "accepted")]
    for step in (*manifest["steps"], {**manifest, "step": "the last"}):
        counts = step["counts"]
        rows.append(
            (
                step["step"],
                step["kind"]["name"],
                clean(step["teacher"]["identity"]),
                *(f"{counts[name]:,}" for name in ("asked", "candidates", "accepted")),
            )
        )
    return (
        "## Steps\n\n![The steps](steps.svg)\n\n"
        + markdown_table(rows, left=3)
        + "\n\n`lineage.parquet` has the rows of earlier steps that each row of the last one was"
        " made of; `synthkd show PATH ID` prints them."
    )


def _unread_numbers(critic: dict[str, Any] | None) -> str:
    names = (critic or {}).get("numbers_not_read")
    if not names:
        return ""
    return (
        f"The critic does not read {', '.join(map(markdown_code, names))} of these rows: its label"
        " sheet lacked them, or had one value only."
    )


def _precision(critic: dict[str, Any] | None) -> str:
    if not critic:
        return "## Precision\n\nNo critic judged these rows: how many are valid is not known."
    target, confidence = critic["asked_precision"], critic["confidence"]
    if not critic["reachable"]:
        return (
            f"## Precision\n\nThe target precision of {target:.0%} **could not be reached**:"
            f" {markdown(critic['advice'])} **No precision is guaranteed.** The rows were"
            f" {markdown(unguaranteed_cut(critic))}."
        )
    shift = critic.get("shift") or {}
    sentence = markdown(shift.get("sentence", ""))
    sentence = f" {sentence[:1].upper()}{sentence[1:]}"
    if shift.get("shifted"):
        return (
            f"## Precision\n\nThe target precision of {target:.0%} **is not"
            f" guaranteed**.{sentence} On"
            f" {critic['held_out']['held_out_rows']:,} held-out labels: AUC"
            f" {critic['held_out']['auc']:.3f}"
            + (
                f", precision {critic['precision']:.1%} at the threshold {critic['threshold']:.4f}."
                if "precision" in critic
                else "."
            )
        )
    if critic.get("each"):
        tested = f"{sentence}." if not shift.get("tested", True) else ""
        return (
            f"## Precision\n\nTarget: {target:.0%} in each {markdown(critic['each'])}:"
            f" {markdown(critic['sentence'])}.{_without(critic)}{tested}"
        )
    figures = (
        f"threshold {critic['threshold']:.4f}, precision {critic['precision']:.1%} on"
        f" {critic['held_out']['held_out_rows']:,} held-out labels, AUC"
        f" {critic['held_out']['auc']:.3f}"
    )
    tested = f"{sentence}." if shift else ""
    return (
        "## Precision\n"
        "\n"
        f"Target: {target:.0%}. With {confidence:.0%} confidence the precision of the accepted rows"
        f" is at least that ({figures}). It holds for candidates that are drawn as the labelled"
        f" ones were.{tested}"
    )


def unguaranteed_cut(critic: dict[str, Any]) -> str:
    """Say which rows were published without a guarantee."""
    if critic.get("threshold") is None:
        return "published without a guarantee, at the best cut of each group"
    return (
        f"published without a guarantee, at the best cut, threshold {critic['threshold']:.4f}"
        f" ({critic['precision']:.3f} on the held-out)"
    )


def _without(critic: dict[str, Any]) -> str:
    """Name the groups that are published without a guarantee."""
    names = sorted(critic.get("without_guarantee") or ())
    return (
        f" **Published without a guarantee**, at their best cut: {markdown(', '.join(names))}."
        if names
        else ""
    )


def _diversity(diversity: dict[str, Any]) -> str:
    if not diversity.get("stages"):
        return ""
    rows, cost = diversity_rows(diversity), cost_sentence(diversity)
    note = (
        f"Texts are compared on {diversity['rows_compared']:,} rows of each stage, drawn by hash."
        " distinct-n, entropy and the soft-unique share are higher, self-BLEU and compression"
        " lower, where rows differ more."
    )
    return "\n\n".join(part for part in ("## Diversity", markdown_table(rows), note, cost) if part)


def _sample(sample: list[dict[str, Any]], columns: list[str]) -> str:
    if not sample:
        return ""
    step = max(1, len(sample) // 8)
    rows = [(*columns, "score")]
    for row in sample[::step][:8]:
        score = "" if row["score"] is None else f"{row['score']:.3f}"
        rows.append(
            (*("" if row[column] is None else str(row[column]) for column in columns), score)
        )
    return "## Some accepted rows\n\n" + markdown_table(rows, left=len(columns))


def _columns(columns: list[str]) -> str:
    meanings = [
        *((name, "content of the candidate") for name in columns),
        ("id", "content hash: equal for equal knowledge"),
        ("text", "the candidate as a sentence"),
        ("input_id", "which input it answers"),
        ("completion_key, sample_index", "which completion it was parsed from"),
        ("prompt, teacher", "template, and who wrote it"),
        ("logprob, tokens, finish_reason, raw", "of the completion; logprob is the sum in nats"),
        ("recurrence", "number of completions with an equal candidate"),
        ("votes", "number of completions of the question that give this row's answer"),
        ("agreement", "their share, by weight, of the completions of the question"),
        (
            "margin",
            "lead over the next answer as a share; of another answer than the winner's: what it"
            " lacks, below zero",
        ),
        ("entropy", "of the answers to the question, in nats; 0 where all completions agree"),
        ("score", "the critic's probability of being valid"),
        ("rejected_by, reason", "the outcome: empty if accepted"),
    ]
    return "## Columns\n\n" + markdown_table([("column", "meaning"), *meanings], left=2)
