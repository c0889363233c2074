"""The figures whose bars lie, each by its name: funnel, statuses, sources, industries, owners. All is pure.

What people typed (industries, owners) stands in a table with a bar in each row: an SVG can't wrap a name.
"""

from collections.abc import Mapping
from typing import Any

from services.gateway.report import drawing, words
from services.gateway.report.drawing import Share
from services.gateway.report.figure import Figure, Table

FEW = 30
"""Below so many leads a rate says little."""
_INDUSTRIES_MAX = 12
_OWNERS_MAX = 40
_REST = "All others"
_PALE = f"Pale, and called few: fewer than {FEW} leads, too few for a rate to mean much."


def funnel(told: Mapping[str, Any], old: Mapping[str, Any]) -> Figure:
    """How far leads have certainly come."""
    stages = told["funnel"]
    counts, before = [one["count"] for one in stages], [one["count"] for one in old["funnel"]]
    names = [words.named(one["stage"]) for one in stages]
    rows = tuple(
        (name, f"{count:,}", words.share(count, counts[0]), words.share(count, last), words.share(was, before[0]))
        for name, count, last, was in zip(names, counts, [0, *counts[:-1]], before, strict=True)
    )
    shares = [Share(row[0], count, f"{words.short(count)} · {row[2]}") for row, count in zip(rows, counts, strict=True)]
    summary = (
        f"{counts[-1]:,} of {words.counted(counts[0], 'lead')} came to be {names[-1].lower()}: "
        f"{words.share(counts[-1], counts[0])}."
    )
    head = ("Stage reached", "Leads", "Of all", "Of the stage above", "Of all, before")
    return Figure("funnel", "Funnel", summary, Table(head, rows), bars=drawing.bars(shares))


def statuses(told: Mapping[str, Any], old: Mapping[str, Any]) -> Figure:
    """As what leads stand now."""
    total, counts, before = told["totalLeads"], told["byStatus"], old["byStatus"]
    rows = tuple(
        (words.named(name), f"{count:,}", words.share(count, total), words.share(before[name], old["totalLeads"]))
        for name, count in counts.items()
    )
    shares = [
        Share(row[0], count, f"{words.short(count)} · {row[2]}")
        for row, count in zip(rows, counts.values(), strict=True)
    ]
    most = max(counts, key=lambda name: counts[name])
    summary = f"{words.named(most)} is the largest: {words.share(counts[most], total)} of leads."
    head = ("Status", "Leads", "Of all", "Of all, before")
    return Figure("statuses", "Status now", summary, Table(head, rows), bars=drawing.bars(shares))


def sources(told: Mapping[str, Any], old: Mapping[str, Any]) -> Figure:
    """Which part of each source's leads converts; those with too few leads to say come last, and are marked."""
    found = [(name, one) for name, one in told["conversionsBySource"].items() if one["total"]]
    ranked = sorted(found, key=lambda one: (_few(one[1]), -one[1]["rate"], -one[1]["total"]))
    rows = tuple(_source(name, one, old["conversionsBySource"][name]) for name, one in ranked)
    shares = [Share(words.named(name), one["rate"], _rated(one), few=_few(one)) for name, one in ranked]
    head = ("Source", "Rate", "Converted", "Leads (n)", "Rate, before")
    note = _PALE if any(_few(one) for _, one in ranked) else None
    title, summary = "Sources by conversion rate", _best(*ranked[0])
    return Figure("sources", title, summary, Table(head, rows), bars=drawing.bars(shares), note=note)


def _best(name: str, source: Mapping[str, Any]) -> str:
    if _few(source):
        return "No source has enough leads to compare rates."
    if not source["converted"]:
        return "No lead of a source with enough leads to compare has converted yet."
    leads = words.counted(source["total"], "lead")
    return f"{words.named(name)} converts best: {words.percent(source['rate'])} of {leads}."


def _rated(source: Mapping[str, Any]) -> str:
    few = ", few" if _few(source) else ""
    return f"{words.percent(source['rate'])} · n = {words.short(source['total'])}{few}"


def _few(source: Mapping[str, Any]) -> bool:
    return bool(source["total"] < FEW)


def _source(name: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    was = words.percent(before["rate"]) + (" (few)" if _few(before) else "") if before["total"] else words.MISSING
    shown = words.named(name) + (" (few)" if _few(now) else "")
    return shown, words.percent(now["rate"]), f"{now['converted']:,}", f"{now['total']:,}", was


def industries(told: Mapping[str, Any]) -> Figure:
    """What leads' companies do, the most frequent first; what has no room is summed up."""
    total, counts = told["totalLeads"], list(told["byIndustry"].items())
    lines = [(words.named(name), count) for name, count in counts[:_INDUSTRIES_MAX]]
    if rest := counts[_INDUSTRIES_MAX:]:
        lines.append((_REST, sum(count for _, count in rest)))
    rows = tuple((name, f"{count:,}", words.share(count, total)) for name, count in lines)
    summary = f"{rows[0][0]} is the largest: {rows[0][2]} of leads."
    widths = drawing.widths_of([count for _, count in counts[:_INDUSTRIES_MAX]])
    return Figure("industries", "Industries", summary, Table(("Industry", "Leads", "Of all"), rows, widths))


def owners(told: Mapping[str, Any]) -> Figure:
    """Who has how many leads, the busiest first; who has no room is summed up."""
    ranked = sorted(told["byOwner"].items(), key=lambda one: (-one[1]["open"], -one[1]["total"], one[0]))
    lines = [(words.owner(name), one) for name, one in ranked[:_OWNERS_MAX]]
    if rest := ranked[_OWNERS_MAX:]:
        lines.append((_REST, {field: sum(one[field] for _, one in rest) for field in rest[0][1]}))
    rows = tuple(
        (
            name,
            *(f"{one[field]:,}" for field in ("open", "total", "converted")),
            words.share(one["converted"], one["total"]),
        )
        for name, one in lines
    )
    head = ("Owner", "Open", "All", "Converted", "Rate")
    widths = drawing.widths_of([one["open"] for _, one in ranked[:_OWNERS_MAX]])
    summary = "Leads of this time by owner, those with the most open ones first; the bars show open leads."
    return Figure("owners", "Owners", summary, Table(head, rows, widths))
