"""Laws of figures: the gateway's answers are what the documents add up to."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.oracle.world import World

_SOURCES = ("website", "email", "phone", "referral", "trade_show", "social_media")
_INDUSTRIES_MAX = 50
_BAND = 10
Answers = Mapping[str, Mapping[str, Any]]
"""`leads` and `conversions`: the answers about a quarter, in which all leads were created."""


def figures(world: World, answers: Answers) -> Iterator[str]:
    """Compare every figure of both answers with the documents."""
    wanted = {"leads": _leads(world), "conversions": _conversions(world)}
    for name, numbers in wanted.items():
        for path, value in numbers.items():
            published = answers[name].get(path)
            if (_compact(published) if isinstance(value, Mapping) else published) != value:
                yield f"{name}.{path} is published as {published}, and is {value}"


def _compact(published: Any) -> Any:
    return {name: one for name, one in published.items() if one} if isinstance(published, Mapping) else published


def _leads(world: World) -> Mapping[str, Any]:
    leads = list(world.leads.values())
    scores = [one["score"] for one in leads if "score" in one]
    bands = Counter(min(9, one // _BAND) for one in scores)
    industries = Counter(_name((one.get("company") or {}).get("industry")) for one in leads)
    numbers = {
        "totalLeads": len(leads),
        "bySource": dict(Counter(one["source"] for one in leads)),
        "byStatus": dict(Counter(one["status"] for one in leads)),
        "conversionRate": _percent(sum(one["status"] == "converted" for one in leads), len(leads)),
        "averageScore": round(sum(scores) / len(scores), 1) if scores else None,
        "scoreDistribution": [
            {"from": n * _BAND, "to": 100 if n == 9 else n * _BAND + _BAND - 1, "count": bands[n]} for n in range(10)
        ],
    }
    # With more of them, the least frequent are counted together.
    return numbers | ({"byIndustry": dict(industries)} if len(industries) <= _INDUSTRIES_MAX else {})


def _conversions(world: World) -> Mapping[str, Any]:
    total = Counter(one["source"] for one in world.leads.values())
    won = Counter(one["source"] for one in world.leads.values() if one["status"] == "converted")
    return {
        "totalLeads": total.total(),
        "convertedLeads": won.total(),
        "overallConversionRate": _percent(won.total(), total.total()),
        "conversionsBySource": {
            name: {"total": total[name], "converted": won[name], "rate": _percent(won[name], total[name])}
            for name in _SOURCES
        },
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _name(text: Any) -> str:
    return " ".join(str(text or "").split()).casefold() or "(none)"
