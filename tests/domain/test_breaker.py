"""When a worker stops rather than drain its topic into the dead letter."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.breaker import WINDOW, Limits, Tally, why_stop

outcomes = st.lists(st.booleans(), max_size=3 * WINDOW)
NONE = Limits(share=1, in_a_row=0)


def test_fifty_in_a_row_stop_it_and_forty_nine_do_not() -> None:
    assert why_stop(Tally(), [True] * 49, Limits()) is None
    assert why_stop(Tally(), [True] * 50, Limits()) == "50 records in a row would go to the dead letter"
    assert why_stop(Tally(), [*[True] * 49, False, *[True] * 49], Limits(share=1)) is None


def test_a_row_goes_on_over_batches() -> None:
    tally = Tally().after([False, *[True] * 30])
    assert why_stop(tally, [True] * 19, Limits()) is None
    assert why_stop(tally, [True] * 20, Limits()) is not None
    assert why_stop(tally, [False, *[True] * 20], Limits()) is None


def test_more_than_a_fifth_of_the_newest_250_stops_it_and_a_fifth_does_not() -> None:
    fifth = [number % 5 == 0 for number in range(WINDOW)]
    assert why_stop(Tally(), fifth, Limits()) is None
    assert why_stop(Tally(), [*fifth[:-1], True], Limits()) == "51 of 250 records would go to the dead letter"


def test_a_share_of_a_few_records_is_none() -> None:
    assert why_stop(Tally(), [True, False] * 124, Limits()) is None
    assert why_stop(Tally(), [True, False] * 125, Limits()) is not None


def test_a_burst_in_the_midst_of_a_batch_is_seen_though_its_end_is_good() -> None:
    burst = [number % 3 == 0 for number in range(WINDOW)]
    assert why_stop(Tally(), [*burst, *[False] * WINDOW], Limits()) is not None


@given(outcomes)
def test_without_limits_nothing_stops_it(dead: list[bool]) -> None:
    assert why_stop(Tally(), dead, NONE) is None


@given(outcomes, st.data())
def test_how_records_are_cut_into_batches_changes_nothing(dead: list[bool], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(dead)), max_size=5)) | {0, len(dead)})
    tally, stopped = Tally(), False
    for begin, end in pairwise(cuts):
        stopped = stopped or why_stop(tally, dead[begin:end], Limits()) is not None
        tally = tally.after(dead[begin:end])
    assert stopped == (why_stop(Tally(), dead, Limits()) is not None)
    assert tally == Tally().after(dead)
