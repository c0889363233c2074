"""Roll-ups: what a lead counts for, and the buckets that count it, so that a question costs buckets and not leads.

A lead counts once, in its current state, in the bucket of the day on which it was created and in that of the day's week
(Monday to Sunday, ISO 8601). Days are those of one time zone, the setting `PANTRY_TIMEZONE`. A window is the last 7, 30
or 90 days, today among them; the window before it has as many days.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import unquote

from shared.domain.statuses import OPEN

WINDOWS = {"week": 7, "month": 30, "quarter": 90}
"""Days of each timeframe."""
NONE = "(none)"
"""The name under which leads without an industry or an owner are counted."""
NAMED = "industry."
"""Where the paths begin whose next step is what people wrote: none stays once nothing counts under it."""
BANDS = 10
BAND_POINTS = 10
"""Bands of the score, and how many points wide each is; the highest takes 100 as well."""
META = "meta"
"""The row of `insights` that says which generation of buckets is shown, which one is counted into (`building`), the
zone of its days, and when a worker was last alive. Its other rows are shards."""
SHARD_IDS = ("shard:", "shard;")
"""What the ids of shards lie between."""

_WEEK = timedelta(days=7)
_NAME_MAX = 60
# Quantiles come from a histogram of logarithmic buckets (DDSketch): this much off at most, whatever the distribution.
_ACCURACY = 0.01
_LOG_GAMMA = math.log((1 + _ACCURACY) / (1 - _ACCURACY))


def counts_for(lead: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    """What the lead document is counted by: words and whole numbers, no personal data."""
    score, took = lead.get("score"), _took(lead)
    facts = {
        "day": lead["createdAt"].astimezone(zone).date().isoformat(),
        "source": lead["source"],
        "status": lead["status"],
        "industry": label((lead.get("company") or {}).get("industry")).casefold(),
        "owner": label(lead.get("assignedTo")),
        "score": score,
        "took": took,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _took(lead: Mapping[str, Any]) -> int | None:
    converted: datetime | None = lead.get("convertedAt")
    return None if converted is None else max(0, round((converted - lead["createdAt"]).total_seconds()))


def label(text: str | None) -> str:
    """The name that something is counted under."""
    return " ".join((text or "").split())[:_NAME_MAX] or NONE


def contribution(facts: Mapping[str, Any]) -> Counter[str]:
    """What a lead of these facts adds to its buckets, by path."""
    source, owner = escaped(facts["source"]), escaped(facts["owner"])
    paths = ["n", f"source.{source}.n", f"status.{facts['status']}", f"industry.{escaped(facts['industry'])}"]
    paths.append(f"owner.{owner}.n")
    if facts["status"] in OPEN:
        paths.append(f"owner.{owner}.open")
    added = Counter(paths)
    if facts["status"] == "converted":
        added.update((f"source.{source}.won", f"owner.{owner}.won"))
    score = facts.get("score")
    added["unscored" if score is None else f"band.{min(BANDS - 1, score // BAND_POINTS)}"] += 1
    added["score"] += score or 0
    if "took" in facts:
        added.update({"took": facts["took"], f"speed.{_speed(facts['took'])}": 1})
    return +added


def _speed(seconds: int) -> int:
    return math.ceil(math.log(max(1, seconds)) / _LOG_GAMMA)


def seconds_of(speed: int) -> float:
    """The seconds that a logarithmic bucket stands for, within one per cent of any that it counts."""
    return 2 * math.exp(speed * _LOG_GAMMA) / (math.exp(_LOG_GAMMA) + 1)


def escaped(name: str) -> str:
    """`name` as one step of a path."""
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24").replace("\0", "%00")


def unescaped(step: str) -> str:
    """The name that a step of a path stands for."""
    return unquote(step)


def buckets_of(day: str) -> tuple[str, str]:
    """The ids of the buckets that count a lead of this day: the day's and the week's."""
    of = date.fromisoformat(day)
    return day_bucket(of), week_bucket(of)


def bucket_id(generation: int, bucket: str) -> str:
    """The id of a generation's bucket."""
    return f"{generation:06d}:{bucket}"


def day_bucket(day: date) -> str:
    """The id of a day's bucket, within its generation."""
    return f"d:{day.isoformat()}"


def week_bucket(day: date) -> str:
    """The id of the bucket of the week that `day` is in."""
    return f"w:{monday(day).isoformat()}"


def monday(day: date) -> date:
    """The first day of the week that `day` is in."""
    return day - timedelta(days=day.weekday())


def shift(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Counter[str]]:
    """What changes in which buckets when a lead counts as `after` and no longer as `before` (None: not at all)."""
    changed: dict[str, Counter[str]] = {}
    for facts, sign in ((before, -1), (after, 1)):
        for bucket in buckets_of(facts["day"]) if facts else ():
            added = contribution(facts or {})
            changed.setdefault(bucket, Counter()).update({path: sign * amount for path, amount in added.items()})
    return {bucket: kept for bucket, counter in changed.items() if (kept := _without_zeros(counter))}


def _without_zeros(counter: Counter[str]) -> Counter[str]:
    return Counter({path: amount for path, amount in counter.items() if amount})


def flattened(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """A bucket's numbers by path, as `contribution` names them; zeros are nothing."""
    for step, value in nested.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{step}.")
        elif value:
            yield f"{prefix}{step}", value


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days, from the first to the last."""

    first: date
    last: date

    @property
    def days(self) -> Iterator[date]:
        """Each of them."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    @property
    def before(self) -> "Window":
        """The window before it, of the same length."""
        return Window(self.first - (self.last - self.first) - timedelta(days=1), self.first - timedelta(days=1))

    @property
    def weeks(self) -> Iterator["Window"]:
        """Its weeks; the first and the last may be cut."""
        first = self.first
        while first <= self.last:
            last = min(self.last, monday(first) + _WEEK - timedelta(days=1))
            yield Window(first, last)
            first = last + timedelta(days=1)

    @property
    def buckets(self) -> tuple[str, ...]:
        """The fewest buckets that make it up: whole weeks, and days where a week is cut."""
        return tuple(
            bucket
            for week in self.weeks
            for bucket in (
                [week_bucket(week.first)] if week.last - week.first == timedelta(days=6) else map(day_bucket, week.days)
            )
        )


def window(timeframe: str, today: date) -> Window:
    """The days that a timeframe means. Raises `KeyError` for one that there isn't."""
    return Window(today - timedelta(days=WINDOWS[timeframe] - 1), today)


def total(buckets: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """What all of these buckets count together, by path."""
    added: Counter[str] = Counter()
    for bucket in buckets:
        added.update(dict(flattened(bucket)))
    return added
