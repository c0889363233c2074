"""How long a worker has made no progress: while something is in hand, whatever is tried meanwhile."""

from shared.consuming.progress import BatchProgress
from shared.kafka.events import Record

FIRST, SECOND = (Record("leads.captured", 0, offset, b"k", b"{}") for offset in range(2))


class FakeTime:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_stands_still_from_the_first_record_in_hand_until_one_has_its_outcome() -> None:
    time = FakeTime()
    progress = BatchProgress(time)
    time.now += 500
    assert progress.stalled_s == 0, "nothing is in hand"
    progress.take([FIRST, SECOND])
    time.now += 40
    assert progress.stalled_s == 40
    progress.advance()
    assert progress.stalled_s == 0
    time.now += 5
    progress.end([])
    assert progress.stalled_s == 0


def test_a_batch_that_is_fetched_anew_goes_on_standing_still_and_another_begins_anew() -> None:
    time = FakeTime()
    progress = BatchProgress(time)
    progress.take([FIRST])
    time.now += 61
    progress.end([FIRST])
    assert progress.stalled_s == 0, "nothing is in hand"
    progress.take([FIRST, SECOND])
    assert progress.stalled_s == 61
    progress.end([FIRST, SECOND])
    other = Record("leads.captured", 3, 7, b"k", b"{}")
    progress.take([other])
    assert progress.stalled_s == 0
