"""When a worker stops rather than drain its topic into the dead letter."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.operations.failure_limits import SOURCES_MAX, WINDOW, FailureLimits, FailureTally, Handled, why_stop

NONE = FailureLimits(share=1, in_a_row=0)
handled = st.lists(
    st.builds(Handled, st.sampled_from(["", "/a", "/b"]), st.sampled_from("abcdefghijkl"), st.booleans()),
    max_size=3 * WINDOW,
)


def _of_leads(failed: Iterable[bool], source: str = "") -> list[Handled]:
    """Each of a lead of its own."""
    return [Handled(source, f"lead-{number}", one) for number, one in enumerate(failed)]


def _of_sources(*records: tuple[str, bool]) -> list[Handled]:
    return [Handled(source, f"lead-{number}", failed) for number, (source, failed) in enumerate(records)]


def test_fifty_in_a_row_stop_it_and_forty_nine_do_not() -> None:
    row = "the handler failed on 50 records in a row, of different producers or leads"
    assert why_stop(FailureTally(), _of_leads([True] * 49), FailureLimits()) is None
    assert why_stop(FailureTally(), _of_leads([True] * 50), FailureLimits()) == row
    assert why_stop(FailureTally(), _of_leads([*[True] * 49, False, *[True] * 49]), FailureLimits(share=1)) is None


def test_a_row_goes_on_over_batches() -> None:
    tally = FailureTally().after(_of_leads([False, *[True] * 30]))
    assert why_stop(tally, _of_leads([True] * 19), FailureLimits()) is None
    assert why_stop(tally, _of_leads([True] * 20), FailureLimits()) is not None
    assert why_stop(tally, _of_leads([False, *[True] * 20]), FailureLimits()) is None


def test_more_than_a_fifth_of_the_newest_250_stops_it_and_a_fifth_does_not() -> None:
    fifth = [number % 5 == 0 for number in range(WINDOW)]
    share = "the handler failed on 51 of 250 records, of different producers or leads"
    assert why_stop(FailureTally(), _of_leads(fifth), FailureLimits()) is None
    assert why_stop(FailureTally(), _of_leads([*fifth[:-1], True]), FailureLimits()) == share


def test_a_share_of_a_few_records_is_none() -> None:
    assert why_stop(FailureTally(), _of_leads([True, False] * 124), FailureLimits()) is None
    assert why_stop(FailureTally(), _of_leads([True, False] * 125), FailureLimits()) is not None


def test_a_burst_in_the_midst_of_a_batch_is_seen_though_its_end_is_good() -> None:
    burst = [number % 3 == 0 for number in range(WINDOW)]
    assert why_stop(FailureTally(), _of_leads([*burst, *[False] * WINDOW]), FailureLimits()) is not None


def test_one_lead_stops_nobody_however_often_it_fails() -> None:
    poison = [Handled("", "one", failed=True)] * (2 * WINDOW)
    assert why_stop(FailureTally(), poison, FailureLimits()) is None
    mixed = [one for good in _of_leads([False] * WINDOW) for one in (good, *poison[:2])]
    assert why_stop(FailureTally(), mixed, FailureLimits()) is None


def test_one_producer_stops_nobody_while_others_are_heard_of() -> None:
    bad = [("/scanner", True)] * 2
    assert why_stop(FailureTally(), _of_sources(*[*bad, ("/website", False)] * WINDOW), FailureLimits()) is None
    row = _of_sources(*[("/website", False)] * 20, *[("/scanner", True)] * 100)
    assert why_stop(FailureTally(), row, FailureLimits()) is None


def test_a_failure_now_and_then_of_the_others_does_not_make_one_producers_failures_everybodys() -> None:
    records = [("/scanner", True), ("/website", False), ("/form", False)] * 100
    records[1::100] = [("/website", True)] * len(records[1::100])
    assert why_stop(FailureTally(), _of_sources(*records), FailureLimits()) is None


def test_a_handler_that_fails_for_all_producers_stops_it_in_a_row_or_by_share() -> None:
    every = [("/scanner", True), ("/website", True)]
    assert why_stop(FailureTally(), _of_sources(*every * 24), FailureLimits()) is None
    assert why_stop(FailureTally(), _of_sources(*every * 25), FailureLimits()) is not None
    third = [*every, *[("/scanner", False), ("/website", False)] * 2]
    assert why_stop(FailureTally(), _of_sources(*third * 50), FailureLimits()) is not None


def test_where_an_input_has_one_producer_its_leads_count() -> None:
    assert why_stop(FailureTally(), _of_leads([True] * 50, "/website"), FailureLimits()) is not None
    assert why_stop(FailureTally(), [Handled("/website", "ana", failed=True)] * (2 * WINDOW), FailureLimits()) is None


def test_two_of_ten_producers_stop_nobody_and_three_do() -> None:
    def of(bad: int) -> list[Handled]:
        return _of_sources(*[(f"/{number}", number < bad) for number in range(10)] * 30)

    assert why_stop(FailureTally(), of(2), FailureLimits()) is None
    assert why_stop(FailureTally(), of(3), FailureLimits()) is not None


def test_a_handler_that_fails_on_all_inputs_is_seen_among_events_of_our_own() -> None:
    own, inputs = _of_leads([False] * WINDOW), _of_sources(*[("/scanner", True), ("/website", True)] * 125)
    assert (
        why_stop(FailureTally(), [one for pair in zip(own, inputs, strict=True) for one in pair], FailureLimits())
        is not None
    )


@given(handled)
def test_without_limits_nothing_stops_it(records: list[Handled]) -> None:
    assert why_stop(FailureTally(), records, NONE) is None


@given(handled, st.data())
def test_how_records_are_cut_into_batches_changes_nothing(records: list[Handled], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(records)), max_size=5)) | {0, len(records)})
    tally, stopped = FailureTally(), False
    for begin, end in pairwise(cuts):
        stopped = stopped or why_stop(tally, records[begin:end], FailureLimits()) is not None
        tally = tally.after(records[begin:end])
    assert stopped == (why_stop(FailureTally(), records, FailureLimits()) is not None)
    assert tally == FailureTally().after(records)


def test_the_backlog_of_one_producer_stops_nobody_where_others_were_seen_before() -> None:
    known = FailureTally().after(_of_sources(*[(f"/forms/{number % 5}", False) for number in range(WINDOW)]))
    backlog = _of_sources(*[("/scanners/7", True)] * (2 * WINDOW))
    assert why_stop(FailureTally(), backlog, FailureLimits()) is not None
    assert why_stop(known, backlog, FailureLimits()) is None
    assert why_stop(known, [*backlog, *_of_sources(*[("/forms/1", True)] * 60)], FailureLimits()) is not None


def test_only_the_newest_hundred_producers_are_remembered() -> None:
    tally = FailureTally().after(_of_sources(*[(f"/forms/{number}", False) for number in range(SOURCES_MAX + 1)]))
    assert tally.sources == tuple(f"/forms/{number}" for number in range(1, SOURCES_MAX + 1))
    again = tally.after(_of_sources(("/forms/1", False), ("/forms/0", False)))
    assert (again.sources[-2:], len(again.sources)) == (("/forms/1", "/forms/0"), SOURCES_MAX)


@given(st.lists(st.booleans(), max_size=3 * WINDOW), st.integers(0, 3 * WINDOW))
def test_records_judged_in_two_parts_come_to_what_they_come_to_at_once(failed: list[bool], since: int) -> None:
    records = _of_leads(failed)
    first, rest = records[:since], records[since:]
    apart = why_stop(FailureTally(), first, FailureLimits()) or why_stop(
        FailureTally().after(first), rest, FailureLimits()
    )
    assert apart == why_stop(FailureTally(), records, FailureLimits())
