"""The table at the end of a run, as text and as HTML."""

from __future__ import annotations

from typing import Any

from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import clean
from synthkd.reporting.tables import html_table, text_table
from synthkd.stages.generate import GenerateReport

Rows = list[tuple[str, str]]


def report_rows(
    recipe: Recipe, generated: GenerateReport, counts: dict[str, Any], manifest: dict[str, Any]
) -> Rows:
    """Return the lines of the table, each a name and a figure."""
    rows: Rows = [
        ("asked", f"{counts['asked']:,}"),
        ("completed", f"{counts['completed']:,} ({_bought(generated)})"),
        ("failed", _failed(counts)),
    ]
    if counts["missing"]:
        why = f" ({generated.stopped})" if generated.stopped else ""
        rows.append(("not asked yet", f"{counts['missing']:,}{why}"))
    rows += [
        ("malformed", _with_reasons(counts["malformed"], counts.get("malformed_reasons") or {})),
        *([("repaired", f"{counts['repaired']:,}")] if counts["repaired"] else []),
        ("parsed", f"{counts['candidates']:,} candidates"),
        *((f"  rejected by {name}", f"{value:,}") for name, value in counts["rejected"].items()),
        ("  accepted", f"{counts['accepted']:,}"),
    ]
    if target := manifest.get("target"):
        from synthkd.corpora.target_table import target_rows

        rows += target_rows(target)
    rows += vote_rows(counts.get("votes"))
    rows += _order(counts.get("order"))
    rows += [
        (name, clean(str(findings["sentence"])))
        for name, findings in (counts.get("findings") or {}).items()
        if findings.get("sentence")
    ]
    rows += _critic(manifest.get("critic"))
    rows.append(("tokens written", f"{counts['tokens']:,}"))
    rows.append(
        (
            "cost",
            "unknown (no price in the recipe)"
            if counts["cost"] is None
            else f"${counts['cost']:,.4f}",
        )
    )
    rows.append(("corpus", f"{recipe.corpus_path} (hash {manifest['corpus_hash'][:12]})"))
    rows.append(("journal", str(recipe.journal_path)))
    return rows


def step_line(generated: GenerateReport, counts: dict[str, Any]) -> str:
    """Describe a step in one line."""
    bought = f"{generated.completed:,} bought, {generated.cached:,} in the journal"
    cost = "" if not counts["cost"] else f", ${counts['cost']:,.4f}"
    return (
        f"{counts['asked']:,} asked ({bought}), {counts['candidates']:,} candidates,"
        f" {counts['accepted']:,} accepted{cost}"
    )


def vote_rows(votes: dict[str, Any] | None) -> Rows:
    """Return the lines of the votes, if the recipe has votes."""
    if not votes:
        return []
    how = ", ".join(f"{votes.get(name, 0):,} {name}" for name in ("unanimous", "led", "tied"))
    rows = [("votes", f"on {votes.get('questions', 0):,} questions: {how}")]
    sure = ", ".join(f"{name} {value:.2f}" for name, value in votes.get("teachers", {}).items())
    if votes.get("saved") is not None:
        rows.append(
            ("  saved", f"{votes['saved']:,} samples were not asked for: their votes were decided")
        )
    rows += [("  sources", agreement_text(one)) for one in votes.get("sources", ())]
    return [*rows, *([("  reliability", sure)] if sure else [])]


def agreement_text(one: dict[str, Any]) -> str:
    """Describe the answers on which so many sources or more agree."""
    text = (
        f"{one['sources']} or more: {one['answers']:,} answer{'s' * (one['answers'] != 1)},"
        f" coverage {one['coverage']:.3f} of the questions"
    )
    if one.get("precision") is None:
        return text
    interval = f"{one['precision']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    return f"{text}, precision {interval} of {one['labelled']:,} labelled"


def _order(order: dict[str, Any] | None) -> Rows:
    if not order:
        return []
    found = (
        f"{order['on_cycles']:,} of {order['claims']:,} claims on cycles, in"
        f" {order['tangles']:,} knot{'' if order['tangles'] == 1 else 's'}"
    )
    return [
        ("order", f"{found}; {order['closing'] + order['against']:,} rejected until none was left")
    ]


def _bought(generated: GenerateReport) -> str:
    if not generated.sent:
        return "all were in the journal: nothing was sent"
    return f"{generated.completed:,} in this run, {generated.cached:,} were in the journal"


def _failed(counts: dict[str, Any]) -> str:
    return _with_reasons(counts["failed"], counts["failures"])


def _with_reasons(count: int, reasons: dict[str, int]) -> str:
    said = ", ".join(f"{name} {value:,}" for name, value in reasons.items())
    return f"{count:,}" + (f" ({said})" if said else "")


def _critic(critic: dict[str, Any] | None) -> Rows:
    if not critic:
        return []
    held = critic["held_out"]
    auc = f"AUC {held['auc']:.3f} on {held['held_out_rows']:,} held-out labels"
    return [*_guarantee(critic, auc), *_unread(critic)]


def _unread(critic: dict[str, Any]) -> Rows:
    names = critic.get("numbers_not_read")
    if not names:
        return []
    return [
        (
            "not read by it",
            f"{', '.join(names)}: its label sheet lacked them, or had one value only",
        )
    ]


def _guarantee(critic: dict[str, Any], auc: str) -> Rows:
    shift, target = critic.get("shift") or {}, f"target precision {critic['asked_precision']:.2f}"
    if not critic["reachable"]:
        from synthkd.corpora.card import unguaranteed_cut

        return [("critic", f"{auc}; {target} cannot be reached: {unguaranteed_cut(critic)}")]
    shift_rows = (
        [("critic's guarantee", shift["sentence"])]
        if shift.get("shifted") or not shift.get("tested", True)
        else []
    )
    if critic.get("each"):
        return [("critic", auc), (f"each {critic['each']}", critic["sentence"]), *shift_rows]
    threshold = f"threshold {critic['threshold']:.4f}, {critic['precision']:.3f} on the held-out"
    if shift.get("shifted"):
        return [("critic", f"{auc}; {target}, NOT kept ({threshold})"), *shift_rows]
    return [
        (
            "critic",
            f"{auc}; {target}, kept with {critic['confidence']:.0%} confidence ({threshold})",
        ),
        *shift_rows,
    ]


def report_text(rows: Rows) -> str:
    """Return the report as two columns of plain text."""
    return text_table(rows, left=2)


def report_html(title: str, rows: Rows) -> str:
    """Return the report as an HTML table, for a notebook."""
    return html_table(rows, left=2, caption=title, header=False)
