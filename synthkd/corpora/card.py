"""The dataset card: a README whose YAML head makes ``datasets.load_dataset(path)`` work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkd.corpora.columns import column_meanings
from synthkd.corpora.diversity.tables import cost_sentence, diversity_rows
from synthkd.corpora.flow import FLOW
from synthkd.corpora.front_matter import front_matter, front_matter_text
from synthkd.corpora.layout import FileSet, shown_sets
from synthkd.corpora.prompt_files import prompt_files, template_path
from synthkd.corpora.target_table import target_section
from synthkd.corpora.usage import make_again, read_it
from synthkd.reporting.safe_text import clean, markdown, markdown_block, markdown_code
from synthkd.reporting.tables import markdown_table

CARD = "README.md"


def dataset_card(
    manifest: dict[str, Any], sets: Sequence[FileSet], sample: list[dict[str, Any]]
) -> str:
    """Return the card as Markdown, with a YAML head as the Hugging Face hub reads it.

    Args:
        manifest: The manifest of the corpus.
        sets: The parts of the corpus: content, rejected rows, provenance.
        sample: Accepted rows, of which some are shown.
    """
    counts, recipe = manifest["counts"], manifest["recipe"]
    texts = recipe["corpus"].get("card") or {}
    title = recipe["corpus"].get("title") or recipe["name"]
    parts = [
        front_matter_text(front_matter(manifest, sets)),
        f"# {markdown(title)}",
        markdown(texts["summary"]) if texts.get("summary") else "",
        _description(manifest),
        _sample(sample, manifest["kind"]["columns"]),
        "## Intended use\n\n" + markdown(texts.get("intended_use") or _USE),
        "## Limits\n\n" + _limits(manifest, texts),
        _precision(manifest.get("critic")),
        _unread_numbers(manifest.get("critic")),
        f"## How it was made\n\n![From the inputs to the corpus]({FLOW})",
        "### Counts\n\n"
        + markdown_table(
            [("", "rows"), *[(name, f"{value:,}") for name, value in _count_rows(counts)]]
        ),
        _steps(manifest),
        _prompt(manifest),
        _sources((counts.get("votes") or {}).get("sources")),
        target_section(manifest.get("target")),
        _findings(counts.get("findings") or {}),
        _diversity(manifest["diversity"]),
        _terms(manifest, texts),
        _columns(sets),
        read_it(sets),
        make_again(manifest),
        "## Citation\n\n" + _citation(manifest, texts, title),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_USE = (
    "Training and evaluation of models of this kind of knowledge, and study of what a language"
    " model writes and of what filters reject. The author of the corpus named no other use."
)


def _limits(manifest: dict[str, Any], texts: dict[str, Any]) -> str:
    own = [markdown(texts["limits"])] if texts.get("limits") else []
    return "\n\n".join(
        [
            *own,
            "The rows are a language model's words: they may be wrong, biased or outdated, and"
            " repeat what the model was trained on. Rules and critics look at form and"
            " plausibility; no source confirms a row unless a section below says so.",
        ]
    )


def _terms(manifest: dict[str, Any], texts: dict[str, Any]) -> str:
    who = markdown_code(manifest["teacher"]["identity"])
    own = texts.get("teacher_terms")
    said = (
        markdown(own)
        if own
        else "The terms of its provider, or the licence of its weights, may bind what is made of"
        " its output, such as models that are trained on it. The author of the corpus did not"
        " record them (`corpus.card.teacher_terms`)."
    )
    license_name = manifest["recipe"]["corpus"].get("license")
    of_corpus = (
        f"The corpus has the licence {markdown_code(license_name)}."
        if license_name
        else "The author of the corpus named no licence."
    )
    return f"## Licence and the teacher's terms\n\n{of_corpus} The teacher is {who}. {said}"


def _prompt(manifest: dict[str, Any]) -> str:
    """Show the template, and name the files of all templates and relations."""
    prompt = manifest.get("prompt")
    files = prompt_files(manifest)
    if prompt is None or not files:
        return ""
    place = template_path(manifest)
    named = ", ".join(map(markdown_code, files))
    lines = [f"### Prompt\n\nTemplates and relations are in the corpus: {named}."]
    if place is not None:
        lines.append(
            f"The template {markdown_code(prompt['name'])} (hash {prompt['hash']}), with"
            f" {prompt['shots']} few-shot examples in each prompt:"
        )
        lines.append(markdown_block(prompt["text"].rstrip("\n"), "jinja"))
    return "\n\n".join(lines)


def _citation(manifest: dict[str, Any], texts: dict[str, Any], title: str) -> str:
    if texts.get("citation"):
        return markdown_block(texts["citation"], "bibtex")
    return (
        f"{markdown(title)}, corpus hash {manifest['corpus_hash']}, made with synthkd"
        f" {manifest['synthkd']}."
    )


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
        "### Steps\n\n![The steps](steps.svg)\n\n"
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


def _columns(sets: Sequence[FileSet]) -> str:
    """Explain the columns of each configuration; those of several stand in the first."""
    shown: set[str] = set()
    parts = ["## Columns"]
    for one in shown_sets(sets):
        names = [name for name in one.schema.names if name not in shown]
        again = ", ".join(markdown_code(name) for name in one.schema.names if name in shown)
        shown.update(names)
        meanings = column_meanings(())
        rows = [
            (name, str(one.schema.field(name).type), meanings.get(name, "content"))
            for name in names
        ]
        also = f" Also: {again}." if again else ""
        parts.append(
            f"Configuration {markdown_code(one.config)}, {one.rows:,} rows"
            f" ({markdown_code(one.pattern)}).{also}"
        )
        if rows:
            parts.append(markdown_table([("column", "type", "meaning"), *rows], left=3))
    if any(one.config == "provenance" for one in shown_sets(sets)):
        parts.append("`provenance` has one row for each row of `default`: join them by `id`.")
    return "\n\n".join(parts)
