"""Roll-ups: a lead counts once, in its current state; windows are made of few buckets."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.analytics.domain import measures
from services.gateway.analytics.domain.measures import Head, Span
from services.insights.domain.rollup_changes import add_counts, rollup_row, shard_updates
from shared.domain import rollups
from shared.domain.rollups import Window, buckets_of, counts_for, flattened, shift
from tests.builders import NOW, lead

TODAY = date(2026, 3, 2)
ZONE = ZoneInfo("UTC")
HEAD = Head("month", "UTC", None, {"state": "live"})

leads = st.builds(
    lambda number, status, source, owner, industry, score, took: lead(
        _id=f"lead-{number}",
        status=status,
        source=source,
        company={"name": "Blue Fork", "industry": industry},
        score=score,
        createdAt=NOW - timedelta(days=number % 40),
        **({"assignedTo": owner} if owner else {}),
        **({"convertedAt": NOW + timedelta(hours=took)} if status == "converted" else {}),
    ),
    st.integers(0, 9),
    st.sampled_from(["new", "contacted", "converted", "lost"]),
    st.sampled_from(["website", "trade_show"]),
    st.sampled_from([None, "kim", "a.b $c"]),
    st.sampled_from([None, "Restaurant", " restaurant ", "50 % off."]),
    st.sampled_from([None, 0, 9, 10, 100]),
    st.integers(0, 5_000),
)


def counted(documents: list[Any]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    add_counts(documents, ZONE, found)
    return found


def test_a_lead_counts_on_its_day_in_the_zone_and_in_that_days_week() -> None:
    late = lead(createdAt=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    assert buckets_of(counts_for(late, ZONE)["day"]) == ("d:2026-03-01", "w:2026-02-23")
    assert buckets_of(counts_for(late, ZoneInfo("Europe/Vienna"))["day"]) == ("d:2026-03-02", "w:2026-03-02")


@given(st.lists(st.tuples(leads, st.booleans()), max_size=30))
def test_moving_leads_one_by_one_comes_to_what_counting_them_at_the_end_comes_to(
    changes: list[tuple[Any, bool]],
) -> None:
    now: dict[str, Any] = {}
    buckets: dict[str, Counter[str]] = {}
    for one, gone in changes:
        before = now.pop(one["_id"], None)
        if not gone:
            now[one["_id"]] = one
        moved = shift(before and counts_for(before, ZONE), None if gone else counts_for(one, ZONE))
        for bucket, added in moved.items():
            for path, amount in added.items():
                buckets.setdefault(bucket, Counter())[path] += amount
    kept = {name: Counter({path: n for path, n in bucket.items() if n}) for name, bucket in buckets.items()}
    assert {name: bucket for name, bucket in kept.items() if bucket} == counted(list(now.values()))


def test_a_lead_counted_as_it_is_already_changes_only_the_shards_version() -> None:
    shards: Any = {"s": {"version": 4, "generation": 1}}
    row: Any = {"_id": "lead-1", "v": 3, "generation": 1, **rollup_row(lead(), ZONE)}
    (step,) = shard_updates(shards, {"lead-1": "s"}, {"lead-1": lead()}, {"lead-1": row}, ZONE)
    assert step.document == {"_id": "s", "version": 5, "generation": 1, "pending": None}


def test_what_another_generation_counted_is_counted_whole() -> None:
    shards: Any = {"s": {"version": 4, "generation": 2}}
    row: Any = {"_id": "lead-1", "v": 3, "generation": 1, **rollup_row(lead(), ZONE)}
    (step,) = shard_updates(shards, {"lead-1": "s"}, {"lead-1": lead()}, {"lead-1": row}, ZONE)
    assert (step.version, step.rows[0]["generation"], step.deltas["d:2026-03-02"]["n"]) == (5, 2, 1)


def test_a_lead_that_is_gone_leaves_the_count_and_a_row_without_a_word() -> None:
    shards: Any = {"s": {"version": 4, "generation": 1}}
    row: Any = {"_id": "lead-1", "v": 3, "generation": 1, "counts": rollup_row(lead(), ZONE)["counts"]}
    (step,) = shard_updates(shards, {"lead-1": "s"}, {}, {"lead-1": row}, ZONE)
    assert step.rows == [{"_id": "lead-1", "v": 5, "generation": 1, "gone": True}]
    assert step.deltas["w:2026-03-02"]["n"] == -1


@given(st.integers(1, 400), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_a_windows_buckets_count_each_of_its_days_once(days: int, last: date) -> None:
    window = Window(last - timedelta(days=days - 1), last)
    covered: list[date] = []
    for bucket in window.buckets:
        first = date.fromisoformat(bucket[2:])
        covered += [first + timedelta(days=number) for number in range(7 if bucket[0] == "w" else 1)]
    assert covered == list(window.days)
    assert len(window.buckets) <= days // 7 + 12
    assert (window.before.last, len(list(window.before.days))) == (window.first - timedelta(days=1), days)


@given(st.lists(st.integers(1, 400 * 86_400), min_size=1, max_size=60), st.sampled_from([0.0, 0.5, 0.9]))
def test_quantiles_are_within_one_per_cent(seconds: list[int], part: float) -> None:
    converted = [
        lead(_id=str(n), status="converted", convertedAt=NOW + timedelta(seconds=one)) for n, one in enumerate(seconds)
    ]
    totals = counted(converted)["d:2026-03-02"]
    speeds = sorted((int(path[6:]), count) for path, count in totals.items() if path.startswith("speed."))
    exact = sorted(seconds)[int(part * (len(seconds) - 1))] / 3_600
    told = measures.quantile(speeds, part)
    assert told is not None
    assert abs(told - exact) <= 0.0101 * exact + 0.005


def span(documents: list[Any], before: int = 0) -> Span:
    window = rollups.window("month", TODAY)
    buckets = counted(documents)
    series = [(Window(day, day), buckets.get(f"d:{day}", Counter())) for day in window.days]
    return Span(window, sum((one for _, one in series), Counter()), series, Counter({"n": before}))


def test_analytics_say_what_the_contract_names() -> None:
    some = [
        lead(_id="a", score=95, assignedTo="kim", company={"name": "A", "industry": "Restaurant"}),
        lead(_id="b", score=100, status="converted", convertedAt=NOW + timedelta(hours=10), source="referral"),
        lead(_id="c", status="lost", createdAt=NOW - timedelta(days=29)),
        lead(_id="d", score=5, createdAt=NOW - timedelta(days=30)),
    ]
    told = measures.leads(span(some, before=60), HEAD, 0.5)
    assert (told["totalLeads"], told["conversionRate"], told["averageScore"], told["unscored"]) == (3, 33.33, 97.5, 1)
    assert told["scoreDistribution"][9] == {"from": 90, "to": 100, "count": 2}
    assert told["topPerformingSources"] == [{"source": "website", "count": 2}, {"source": "referral", "count": 1}]
    assert told["byIndustry"] == {"(none)": 2, "restaurant": 1}
    assert told["byOwner"]["kim"] == {"total": 1, "open": 1, "converted": 0}
    assert told["leadVelocity"] == {"perDay": 0.1, "previousPerDay": 2.0, "changePercent": -94.9}
    assert [stage["count"] for stage in told["funnel"]] == [3, 1, 1, 1]
    assert sum(part["total"] for part in told["series"]) == 3


def test_conversions_are_rated_by_source_and_timed_in_hours() -> None:
    done = lead(_id="b", status="converted", convertedAt=NOW + timedelta(hours=10), source="referral")
    told = measures.conversions(span([done, lead(_id="a"), lead(_id="c")]), HEAD)
    assert (told["convertedLeads"], told["overallConversionRate"]) == (1, 33.33)
    assert told["conversionsBySource"]["referral"] == {"total": 1, "converted": 1, "rate": 100.0}
    assert told["topConvertingSources"] == [{"source": "referral", "total": 1, "converted": 1, "rate": 100.0}]
    assert told["averageTimeToConversion"] == 10.0
    assert told["medianTimeToConversion"] == pytest.approx(10, rel=0.01)
    assert [one for one in told["timeToConversion"] if one["count"]] == [{"fromHours": 4, "toHours": 24, "count": 1}]


def test_of_nothing_no_figure_is_made_up() -> None:
    told = measures.conversions(span([]), HEAD)
    assert (told["overallConversionRate"], told["averageTimeToConversion"], told["p90TimeToConversion"]) == (
        0,
        None,
        None,
    )
    assert measures.leads(span([]), HEAD, 0.0)["leadVelocity"]["changePercent"] is None


@given(st.text(max_size=30))
def test_any_name_is_a_step_of_a_path(name: str) -> None:
    step = rollups.escaped(name)
    assert not set(step) & {".", "$", "\0"}
    assert rollups.unescaped(step) == name
    assert dict(flattened({"industry": {step: 2, "zero": 0}})) == {f"industry.{step}": 2}
