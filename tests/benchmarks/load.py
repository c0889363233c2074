"""The captures that every program gets: the same bytes in each run."""

import json
import random
from dataclasses import dataclass
from typing import Any

from schemas.topics import CAPTURED
from shared.kafka.events import Record
from tests.builders import data, event

REPEATS = 0.3
"""The share of captures that repeat a person."""
_CONTENT_TYPE = (("content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Load:
    """`count` captures, of which a share `repeats` an earlier person, under another spelling of the address.

    `first` numbers the first person. Persons below `stored` were stored before, and may be repeated too.
    """

    count: int
    repeats: float = REPEATS
    first: int = 0
    stored: int = 0
    name: str = "load"

    @property
    def persons(self) -> int:
        """How many persons are new."""
        return len({number for number, repeated in self.numbers() if not repeated})

    def numbers(self) -> list[tuple[int, bool]]:
        """The person of each capture, and whether it is a repeat."""
        rng, found, new = random.Random(self.first), list[tuple[int, bool]](), self.first
        for _ in range(self.count):
            there = new - self.first + self.stored
            if there and rng.random() < self.repeats:
                one = rng.randrange(there)
                found.append((one if one < self.stored else self.first + one - self.stored, True))
            else:
                found.append((new, False))
                new += 1
        return found


def person(number: int, *, repeated: bool = False) -> dict[str, Any]:
    """A capture's payload; every third has a phone number and consent."""
    whole = number % 3 == 0
    more: dict[str, Any] = {"phone": f"+1415{number % 10_000_000:07}", "consent": {"email": True}} if whole else {}
    email = email_of(number)
    written = email.capitalize() if repeated else email
    return data(email=written, first=f"Ana{number}", company=f"Fork {number}", **more)


def email_of(number: int) -> str:
    """The normal form of a person's address."""
    return f"p{number}@example{number % 50}.com"


def records(load: Load) -> list[Record]:
    """The records of a load, keyed by the person."""
    return [
        Record(
            CAPTURED.name,
            0,
            place,
            email_of(number).encode(),
            event(person(number, repeated=repeated), event_id=f"{load.name}-{place}"),
            _CONTENT_TYPE,
        )
        for place, (number, repeated) in enumerate(load.numbers())
    ]


def event_id(value: bytes | None) -> str:
    """The id of the event in a record."""
    return str(json.loads(value or b"{}")["id"])
