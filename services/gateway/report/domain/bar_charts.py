"""Figures with horizontal bars: funnel, statuses, sources, industries, owners. Pure.

Names that people typed (industries, owners) are in a table with a bar in each row: an SVG can't wrap a name.
"""

from services.gateway.analytics.domain.figures import ConversionFigures, LeadFigures, OwnerFigures, SourceFigures
from services.gateway.report.domain import drawing, formatting
from services.gateway.report.domain.drawing import Share
from services.gateway.report.domain.figure import Figure, FigureTable

FEW = 30
"""Below this many leads a rate says little."""
_INDUSTRIES_MAX = 12
_OWNERS_MAX = 40
_REST = "All others"
_PALE = f"Pale bars (few): fewer than {FEW} leads, so the rate says little."


def funnel(answer: LeadFigures, old: LeadFigures) -> Figure:
    """Return the funnel: how many leads have certainly reached each stage."""
    stages = answer["funnel"]
    counts, before = [one["count"] for one in stages], [one["count"] for one in old["funnel"]]
    names = [formatting.heading(one["stage"]) for one in stages]
    rows = tuple(
        (
            name,
            f"{count:,}",
            formatting.share(count, counts[0]),
            formatting.share(count, last),
            formatting.share(was, before[0]),
        )
        for name, count, last, was in zip(names, counts, [0, *counts[:-1]], before, strict=True)
    )
    shares = [
        Share(row[0], count, f"{formatting.short(count)} · {row[2]}") for row, count in zip(rows, counts, strict=True)
    ]
    summary = (
        f"{counts[-1]:,} of {formatting.count_noun(counts[0], 'lead')} {names[-1].lower()}"
        f" ({formatting.share(counts[-1], counts[0])})."
    )
    head = ("Stage reached", "Leads", "Of all leads", "Of the stage above", "Of all, period before")
    return Figure("funnel", "Funnel", summary, FigureTable(head, rows), bars=drawing.bars(shares))


def statuses(answer: LeadFigures, old: LeadFigures) -> Figure:
    """Return the leads by their status now."""
    total, counts, before = answer["totalLeads"], answer["byStatus"], old["byStatus"]
    rows = tuple(
        (
            formatting.heading(name),
            f"{count:,}",
            formatting.share(count, total),
            formatting.share(before[name], old["totalLeads"]),
        )
        for name, count in counts.items()
    )
    shares = [
        Share(row[0], count, f"{formatting.short(count)} · {row[2]}")
        for row, count in zip(rows, counts.values(), strict=True)
    ]
    most = max(counts, key=lambda name: counts[name])
    summary = f"{formatting.heading(most)} is the largest, with {formatting.share(counts[most], total)} of leads."
    head = ("Status", "Leads", "Of all leads", "Of all, period before")
    return Figure("statuses", "Status now", summary, FigureTable(head, rows), bars=drawing.bars(shares))


def sources(answer: ConversionFigures, old: ConversionFigures) -> Figure:
    """Return the conversion rate by source. Sources with few leads come last and are marked."""
    found = [(name, one) for name, one in answer["conversionsBySource"].items() if one["total"]]
    ranked = sorted(found, key=lambda one: (_few(one[1]), -one[1]["rate"], -one[1]["total"]))
    rows = tuple(_source(name, one, old["conversionsBySource"][name]) for name, one in ranked)
    shares = [Share(formatting.heading(name), one["rate"], _rated(one), few=_few(one)) for name, one in ranked]
    head = ("Source", "Rate", "Converted", "Leads (n)", "Rate, period before")
    note = _PALE if any(_few(one) for _, one in ranked) else None
    title, summary = "Sources by conversion rate", _best(*ranked[0])
    return Figure("sources", title, summary, FigureTable(head, rows), bars=drawing.bars(shares), note=note)


def _best(name: str, source: SourceFigures) -> str:
    if _few(source):
        return "No source has enough leads to compare rates."
    if not source["converted"]:
        return "No lead of a source with enough leads has converted yet."
    leads = formatting.count_noun(source["total"], "lead")
    return f"{formatting.heading(name)} converts best: {formatting.format_percent(source['rate'])} of {leads}."


def _rated(source: SourceFigures) -> str:
    few = ", few" if _few(source) else ""
    return f"{formatting.format_percent(source['rate'])} · n = {formatting.short(source['total'])}{few}"


def _few(source: SourceFigures) -> bool:
    return source["total"] < FEW


def _source(name: str, now: SourceFigures, before: SourceFigures) -> tuple[str, ...]:
    was = (
        formatting.format_percent(before["rate"]) + (" (few)" if _few(before) else "")
        if before["total"]
        else formatting.MISSING
    )
    shown = formatting.heading(name) + (" (few)" if _few(now) else "")
    return shown, formatting.format_percent(now["rate"]), f"{now['converted']:,}", f"{now['total']:,}", was


def industries(answer: LeadFigures) -> Figure:
    """Return the leads by industry, the most frequent first, the rest summed up."""
    total, counts = answer["totalLeads"], list(answer["byIndustry"].items())
    lines = [(formatting.heading(name), count) for name, count in counts[:_INDUSTRIES_MAX]]
    if rest := counts[_INDUSTRIES_MAX:]:
        lines.append((_REST, sum(count for _, count in rest)))
    rows = tuple((name, f"{count:,}", formatting.share(count, total)) for name, count in lines)
    summary = f"{rows[0][0]} is the largest, with {rows[0][2]} of leads."
    widths = drawing.widths_of([count for _, count in counts[:_INDUSTRIES_MAX]])
    return Figure("industries", "Industries", summary, FigureTable(("Industry", "Leads", "Of all leads"), rows, widths))


def owners(answer: LeadFigures) -> Figure:
    """Return the leads by owner, the busiest first, the rest summed up."""
    ranked = sorted(answer["byOwner"].items(), key=lambda one: (-one[1]["open"], -one[1]["total"], one[0]))
    lines = [(formatting.owner(name), one) for name, one in ranked[:_OWNERS_MAX]]
    if rest := ranked[_OWNERS_MAX:]:
        lines.append((_REST, _sum([one for _, one in rest])))
    rows = tuple(_owner(name, one) for name, one in lines)
    head = ("Owner", "Open", "All", "Converted", "Rate")
    widths = drawing.widths_of([one["open"] for _, one in ranked[:_OWNERS_MAX]])
    summary = "Leads in this period by owner, most open leads first. The bars show open leads."
    return Figure("owners", "Owners", summary, FigureTable(head, rows, widths))


def _sum(some: list[OwnerFigures]) -> OwnerFigures:
    return {
        "total": sum(one["total"] for one in some),
        "open": sum(one["open"] for one in some),
        "converted": sum(one["converted"] for one in some),
    }


def _owner(name: str, one: OwnerFigures) -> tuple[str, ...]:
    rate = formatting.share(one["converted"], one["total"])
    return name, f"{one['open']:,}", f"{one['total']:,}", f"{one['converted']:,}", rate
