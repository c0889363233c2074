"""The key figures of a report, each beside that of the window before. All is pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.gateway.analytics import Answers
from services.gateway.report import words

LEADS, A_DAY, PERCENT, POINTS, HOURS = "leads", "leads a day", "percent", "points", "hours"
"""What key figures are counted in."""
_SAYS: Mapping[str, Callable[[float], str]] = MappingProxyType(
    {LEADS: "{:,.0f}".format, A_DAY: words.decimal, PERCENT: words.percent, POINTS: words.decimal, HOURS: words.hours}
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key figure in the window and in the one before it; None where there is nothing to tell it from."""

    name: str
    unit: str
    now: float | None
    before: float | None
    change: str
    """By how much it differs: shares and scores in points, all else in per cent."""

    @property
    def told(self) -> str:
        """It, as a person reads it."""
        return self._told(self.now)

    @property
    def brief(self) -> str:
        """It, for a place of little room."""
        return words.short(int(self.now)) if self.unit == LEADS and self.now else self.told

    @property
    def told_before(self) -> str:
        """That of the window before, as a person reads it."""
        return self._told(self.before)

    @property
    def beside(self) -> str:
        """How it stands to the window before, in words."""
        if self.before is None:
            return "nothing to compare with"
        return f"{self.told_before} before" if self.change == words.MISSING else f"from {self.told_before} before"

    def _told(self, value: float | None) -> str:
        return words.MISSING if value is None else _SAYS[self.unit](value)


def keys(now: Answers, before: Answers) -> tuple[Key, ...]:
    """The key figures of these answers."""
    pace = now.leads["leadVelocity"]
    change = pace["changePercent"]
    told = words.MISSING if change is None else words.signed(change, "%")
    return (
        _key("Leads", LEADS, now.leads["totalLeads"], before.leads["totalLeads"]),
        Key("Leads a day", A_DAY, pace["perDay"], pace["previousPerDay"], told),
        _of_conversions("Converted", LEADS, "convertedLeads", now, before),
        _key("Conversion rate", PERCENT, _rate(now), _rate(before)),
        _key("Average score", POINTS, now.leads["averageScore"], before.leads["averageScore"]),
        _of_conversions("Average time to convert", HOURS, "averageTimeToConversion", now, before),
        _of_conversions("Median time to convert", HOURS, "medianTimeToConversion", now, before),
        _of_conversions("Nine in ten convert within", HOURS, "p90TimeToConversion", now, before),
    )


def _rate(answers: Answers) -> float | None:
    rate: float = answers.conversions["overallConversionRate"]
    return rate if answers.conversions["totalLeads"] else None


def _of_conversions(name: str, unit: str, field: str, now: Answers, before: Answers) -> Key:
    return _key(name, unit, now.conversions[field], before.conversions[field])


def _key(name: str, unit: str, now: float | None, before: float | None) -> Key:
    return Key(name, unit, now, before, _change(unit, now, before))


def _change(unit: str, now: float | None, before: float | None) -> str:
    if now is None or before is None:
        return words.MISSING
    if unit in {PERCENT, POINTS}:
        return words.signed(now - before, " points", places=1)
    return words.signed(100 * (now - before) / before, "%") if before else words.MISSING
