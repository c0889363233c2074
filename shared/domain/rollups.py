"""Roll-ups: buckets of counts by day and week. A figure reads few buckets and no leads.

A lead counts once, in its current state: in the bucket of the day of its creation and in that of the day's week (Monday
to Sunday, ISO 8601). Days are in the time zone of `PANTRY_TIMEZONE`. A window is the last 7, 30 or 90 days with today;
the window before it has as many days.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from urllib.parse import unquote

from shared.domain.statuses import OPEN
from shared.domain.stored.insights_documents import BucketNumbers, LeadFacts
from shared.domain.stored.lead_document import LeadDocument

WINDOWS = {"week": 7, "month": 30, "quarter": 90}
"""The days of each timeframe."""
NONE = "(none)"
"""The name that counts leads without an industry or an owner."""
NAMED = "industry."
"""The prefix of paths with people's text: a path with a zero count is removed."""
BANDS = 10
BAND_POINTS = 10
"""The points of a band of the score; the highest band includes 100."""
META = "meta"
"""The row of `insights` about its generations of buckets; the other rows are shards.

It has the generation to show, the one to count into (`building`), the days' zone, and the last heartbeat."""
SHARD_IDS = ("shard:", "shard;")
"""The bounds of the ids of shards."""

_WEEK = timedelta(days=7)
_NAME_MAX = 60
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Quantiles come from logarithmic buckets (DDSketch), with at most this relative error.
_ACCURACY = 0.01
_LOG_GAMMA = math.log((1 + _ACCURACY) / (1 - _ACCURACY))


def counts_for(lead: LeadDocument, zone: tzinfo) -> LeadFacts:
    """Return the facts by which a lead counts, and is filtered: words and whole numbers, no personal data."""
    score, took = lead.get("score"), _took(lead)
    facts: LeadFacts = {
        "day": lead["createdAt"].astimezone(zone).date().isoformat(),
        "source": lead["source"],
        "status": lead["status"],
        "industry": group_name((lead.get("company") or {}).get("industry")).casefold(),
        "owner": group_name(lead.get("assignedTo")),
    }
    if score is not None:
        facts["score"] = score
    if took is not None:
        facts["took"] = took
    if attributes := _worded(lead):
        facts["attributes"] = attributes
    return facts


def _worded(lead: LeadDocument) -> dict[str, str]:
    """Return the attributes with a word as value.

    A lead's facts must not depend on the declaration, which may change: texts are among them, which nobody asks for.
    """
    held = lead.get("attributes") or {}
    return {name: one for name, one in held.items() if isinstance(one, str) and not _DAY.fullmatch(one)}


def _took(lead: LeadDocument) -> int | None:
    converted = lead.get("convertedAt")
    return None if converted is None else max(0, round((converted - lead["createdAt"]).total_seconds()))


def group_name(text: str | None) -> str:
    """Return the name under which roll-ups count `text`."""
    return " ".join((text or "").split())[:_NAME_MAX] or NONE


def contribution(facts: LeadFacts) -> Counter[str]:
    """Return what a lead of these facts adds to its buckets, by path."""
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
    """Return the seconds of a logarithmic bucket, within 1 % of each value that it counts."""
    return 2 * math.exp(speed * _LOG_GAMMA) / (math.exp(_LOG_GAMMA) + 1)


def escaped(name: str) -> str:
    """Return `name` as one step of a path."""
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24").replace("\0", "%00")


def unescaped(step: str) -> str:
    """Return the name of one step of a path."""
    return unquote(step)


def buckets_of(day: str) -> tuple[str, str]:
    """Return the ids of the day's bucket and of its week's."""
    of = date.fromisoformat(day)
    return day_bucket(of), week_bucket(of)


def bucket_id(generation: int, bucket: str) -> str:
    """Return the id of a bucket in a generation."""
    return f"{generation:06d}:{bucket}"


def day_bucket(day: date) -> str:
    """Return the id of a day's bucket, without its generation."""
    return f"d:{day.isoformat()}"


def week_bucket(day: date) -> str:
    """Return the id of the bucket of the week of `day`, without its generation."""
    return f"w:{monday(day).isoformat()}"


def monday(day: date) -> date:
    """Return the Monday of the week of `day`."""
    return day - timedelta(days=day.weekday())


def shift(before: LeadFacts | None, after: LeadFacts | None) -> dict[str, Counter[str]]:
    """Return the changes by bucket from a lead's facts `before` to `after`; None: no lead."""
    changed: dict[str, Counter[str]] = {}
    for facts, sign in ((before, -1), (after, 1)):
        added = contribution(facts) if facts else {}
        for bucket in buckets_of(facts["day"]) if facts else ():
            changed.setdefault(bucket, Counter()).update({path: sign * amount for path, amount in added.items()})
    return {bucket: kept for bucket, counter in changed.items() if (kept := _without_zeros(counter))}


def _without_zeros(counter: Counter[str]) -> Counter[str]:
    return Counter({path: amount for path, amount in counter.items() if amount})


def flattened(nested: BucketNumbers, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield a bucket's numbers by path, without zeros."""
    for step, value in nested.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{step}.")
        elif value:
            yield f"{prefix}{step}", value


@dataclass(frozen=True, slots=True)
class Window:
    """A range of whole days, from `first` to `last`."""

    first: date
    last: date

    @property
    def days(self) -> Iterator[date]:
        """Each day of the window."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    @property
    def before(self) -> "Window":
        """The window before this one, of the same length."""
        return Window(self.first - (self.last - self.first) - timedelta(days=1), self.first - timedelta(days=1))

    @property
    def weeks(self) -> Iterator["Window"]:
        """The weeks of the window; the first and the last may be cut."""
        first = self.first
        while first <= self.last:
            last = min(self.last, monday(first) + _WEEK - timedelta(days=1))
            yield Window(first, last)
            first = last + timedelta(days=1)

    @property
    def buckets(self) -> tuple[str, ...]:
        """The fewest buckets of the window: whole weeks, and the days of cut weeks."""
        return tuple(
            bucket
            for week in self.weeks
            for bucket in (
                [week_bucket(week.first)] if week.last - week.first == timedelta(days=6) else map(day_bucket, week.days)
            )
        )


def window(timeframe: str, today: date) -> Window:
    """Return the window of a timeframe up to today. Raises `KeyError` for an unknown one."""
    return Window(today - timedelta(days=WINDOWS[timeframe] - 1), today)


def total(buckets: Iterable[BucketNumbers]) -> Counter[str]:
    """Return the sums of these buckets, by path."""
    added: Counter[str] = Counter()
    for bucket in buckets:
        added.update(dict(flattened(bucket)))
    return added
