"""The search for a record at fault: few tries, whichever it is and however many there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.operations.bisection import FIRST, PART_S, Bisection


def _search(count: int, bad: set[int]) -> tuple[set[int], list[int]]:
    """Search among `count` records; return which were set aside, and the sizes that were tried."""
    search, start, aside, sizes = Bisection(), 0, set(), []
    while start < count:
        size = search.size(count - start)
        sizes.append(size)
        if bad.isdisjoint(range(start, start + size)):
            search = search.passed(size)
        elif size > 1:
            search = search.failed(size)
            continue
        else:
            aside.add(start)
            search = search.set_aside()
        start += size
    return aside, sizes


@given(st.integers(1, 300), st.data())
def test_all_that_are_at_fault_are_set_aside_and_no_others(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, count - 1)))
    aside, sizes = _search(count, bad)
    assert aside == bad
    assert all(1 <= size <= count for size in sizes)


@pytest.mark.parametrize("place", [0, 1, 249, 250, 498, 499])
def test_one_of_five_hundred_is_found_in_a_few_tries(place: int) -> None:
    _, sizes = _search(500, {place})
    assert len(sizes) <= 20
    _, sizes = _search(500, set())
    assert sizes == [500]


def test_where_all_are_at_fault_each_costs_one_try_more_than_the_search_for_the_first() -> None:
    _, sizes = _search(500, set(range(500)))
    assert sizes.count(1) == 500
    assert len(sizes) <= 510


def test_where_every_third_is_at_fault_each_costs_a_few_tries() -> None:
    bad = set(range(0, 300, 3))
    _, sizes = _search(300, bad)
    assert len(sizes) <= 5 * len(bad)


def test_a_flood_on_a_slow_database_is_handled_in_parts_of_a_second_once_the_first_was_slow() -> None:
    record_s, search, left, seconds = 0.16, Bisection(FIRST), 500, list[float]()
    while left:
        size = search.size(left)
        seconds.append(size * record_s)
        search, left = search.passed(size, seconds[-1]), left - size
    assert seconds[0] == FIRST * record_s, "all 500 at once would have taken 80 s"
    assert max(seconds[1:]) <= 2 * PART_S


@given(size=st.integers(1, 10_000), seconds=st.floats(0, 1e6), suspect=st.integers(0, 500))
def test_a_part_has_always_a_record_and_grows_again(size: int, seconds: float, suspect: int) -> None:
    search = Bisection(suspect=suspect).passed(size, seconds)
    assert search.size(1_000) >= 1
    for _ in range(20):
        search = search.passed(search.size(10**9))
    assert search.size(500) == 500


def test_a_part_that_takes_a_second_makes_the_next_no_smaller() -> None:
    assert Bisection(100).passed(100, PART_S).size(500) == 200
    assert Bisection(100).passed(100, 2 * PART_S).size(500) == 50
