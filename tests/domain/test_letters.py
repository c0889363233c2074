"""Which dead letters are shown: the newest, without gaps."""

from datetime import timedelta

from schemas.reasons import DeadLetterReason
from schemas.topics import CAPTURED
from services.gateway.dead_letters.domain.review import Newest
from shared.kafka.events import Record, dead_letter
from tests.builders import NOW


def letter(number: int, partition: int, reason: DeadLetterReason = DeadLetterReason.NOT_JSON) -> Record:
    """The letter of this number; a later one has a higher number."""
    origin = Record(CAPTURED.name, 0, number, b"key", b"{}")
    buried = dead_letter(origin, reason, "no", consumer="c", at=NOW + timedelta(seconds=number), attempts=1)
    headers = tuple((name, text.encode()) for name, text in buried.headers.items())
    return Record(buried.topic, partition, number, buried.key, buried.value, headers)


def shown(newest: Newest, cut: set[int]) -> tuple[list[int], bool]:
    found, more = newest.dead_letters(cut)
    return [one.record.offset for one in found], more


def test_the_newest_are_shown_whatever_order_they_came_in() -> None:
    newest = Newest(3, None)
    for number, partition in ((1, 0), (4, 0), (5, 0), (2, 1), (3, 1)):
        newest.see(letter(number, partition))
    assert shown(newest, set()) == ([5, 4, 3], True)


def test_nothing_is_told_from_before_the_time_from_which_all_partitions_were_seen() -> None:
    newest = Newest(10, "not_json")
    for number, partition in ((1, 0), (2, 0), (6, 0)):
        newest.see(letter(number, partition))
    for number in (4, 5):
        newest.see(letter(number, 1, DeadLetterReason.INVALID_DATA if number == 4 else DeadLetterReason.NOT_JSON))
    assert shown(newest, set()) == ([6, 5, 2, 1], False)
    assert shown(newest, {1}) == ([6, 5], True), "partition 1 may have a letter 3, which nobody has seen"
