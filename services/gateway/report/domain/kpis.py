"""The key figures of a report, each beside the window before. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.gateway.analytics.domain.measures import Answers
from services.gateway.report.domain import formatting

LEADS, A_DAY, PERCENT, POINTS, HOURS = "leads", "leads a day", "percent", "points", "hours"
"""The units of key figures."""
_SAYS: Mapping[str, Callable[[float], str]] = MappingProxyType(
    {
        LEADS: "{:,.0f}".format,
        A_DAY: formatting.decimal,
        PERCENT: formatting.format_percent,
        POINTS: formatting.decimal,
        HOURS: formatting.hours,
    }
)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A key figure in the window and in the one before; None where there is no data."""

    name: str
    unit: str
    now: float | None
    before: float | None
    change: str
    """The difference: shares and scores in points, others in per cent."""

    @property
    def text(self) -> str:
        """The figure as text."""
        return self._text(self.now)

    @property
    def brief(self) -> str:
        """The figure as text for little room."""
        return formatting.short(int(self.now)) if self.unit == LEADS and self.now else self.text

    @property
    def text_before(self) -> str:
        """The figure of the window before as text."""
        return self._text(self.before)

    @property
    def beside(self) -> str:
        """The comparison with the window before, in words."""
        if self.before is None:
            return "no earlier leads to compare with"
        return f"{self.text_before} before" if self.change == formatting.MISSING else f"from {self.text_before} before"

    def _text(self, value: float | None) -> str:
        return formatting.MISSING if value is None else _SAYS[self.unit](value)


def key_figures(now: Answers, before: Answers) -> tuple[KeyFigure, ...]:
    """Return the key figures of these answers."""
    pace, won, won_before = now.leads["leadVelocity"], now.conversions, before.conversions
    change = pace["changePercent"]
    text = formatting.MISSING if change is None else formatting.signed(change, "%")
    return (
        _key("Leads", LEADS, now.leads["totalLeads"], before.leads["totalLeads"]),
        KeyFigure("Leads a day", A_DAY, pace["perDay"], pace["previousPerDay"], text),
        _key("Converted", LEADS, won["convertedLeads"], won_before["convertedLeads"]),
        _key("Conversion rate", PERCENT, _rate(now), _rate(before)),
        _key("Average score", POINTS, now.leads["averageScore"], before.leads["averageScore"]),
        _key("Average time to convert", HOURS, won["averageTimeToConversion"], won_before["averageTimeToConversion"]),
        _key("Median time to convert", HOURS, won["medianTimeToConversion"], won_before["medianTimeToConversion"]),
        _key("Nine in ten convert within", HOURS, won["p90TimeToConversion"], won_before["p90TimeToConversion"]),
    )


def _rate(answers: Answers) -> float | None:
    return answers.conversions["overallConversionRate"] if answers.conversions["totalLeads"] else None


def _key(name: str, unit: str, now: float | None, before: float | None) -> KeyFigure:
    return KeyFigure(name, unit, now, before, _change(unit, now, before))


def _change(unit: str, now: float | None, before: float | None) -> str:
    if now is None or before is None:
        return formatting.MISSING
    if unit in {PERCENT, POINTS}:
        return formatting.signed(now - before, " points", places=1)
    return formatting.signed(100 * (now - before) / before, "%") if before else formatting.MISSING
