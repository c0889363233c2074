"""Feed rare events often: ageing scores, overtaking erasures, bad records."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, TASKS, TOPICS, UPDATE, Topic
from shared.clock import pause, system_clock
from tests.builders import data, event
from tests.faults.transport import Letter, Sender
from tests.harness import lead_id

_INPUTS = tuple(topic.name for topic in TOPICS.values() if topic.kind == "input")
_WINDOW = timedelta(days=30)
_SOON = timedelta(seconds=20)
"""A busy machine has scored the lead by then, so ageing rescores it."""
_EVERY_S = 2.0
_LATER = 3
"""So many turns after a capture, more events of that person follow."""
_FORGOTTEN = 6
"""So many turns after a capture, the person is erased, even if capture is slow."""
_REAPPEAR = (4, 7, 12, 20, 33)
"""So many turns after a capture, forms arrive that erased people had sent before."""
_FIT = {
    "budget": {"confirmed": True},
    "authority": {"isDecisionMaker": True},
    "need": {"painPoints": ["staff"]},
    "timeline": {"urgency": "immediate"},
}
_NAMESAKES = ("one", "two")
_PHONES = ("+1 415 555 2671", "+1 213 373 4253")
Told = tuple[Topic, str, bytes]
"""The topic, the key and the value."""


async def feed_edge_cases(bootstrap: str, ledger: Path, stopping: asyncio.Event) -> None:
    """Send some every two seconds until stopped; the ledger gets each acknowledged record."""
    sender, number = Sender(bootstrap), 0
    try:
        while not stopping.is_set():
            told = (*_people(number), *_namesakes(number), *_strays(number))
            letters = [Letter(topic.name, key.encode(), value) for topic, key, value in told]
            await sender.deliver([*letters, *_bad(number)])
            with ledger.open("a") as file:
                file.writelines(_line(one, _expected(one)) for one in letters)
                file.writelines(_line(one, "not_json") for one in _bad(number))
            number += 1
            await pause(stopping, _EVERY_S)
    finally:
        await sender.close()


def _people(number: int) -> Iterator[Told]:
    now = system_clock()
    ager, gone, known = (f"{name}{number}" for name in ("ager", "gone", "known"))
    yield CAPTURED, ager, _capture(ager, ager)
    done = {
        "type": "call",
        "description": "Talked it over",
        "createdBy": "sam",
        "completedAt": (now - _WINDOW + _SOON).isoformat(),
    }
    yield ACTIVITIES, ager, event({"leadId": lead_id(ager), "activity": done}, ACTIVITIES)
    fit = {"leadId": lead_id(ager), "requestedBy": "sam", "bant": _FIT}
    yield QUALIFY, ager, event(fit, QUALIFY)
    yield from _tasks(ager, number)
    if number >= _LATER:
        sold = {"leadId": lead_id(f"ager{number - _LATER}"), "requestedBy": "sam"}
        yield CONVERT, f"ager{number - _LATER}", event(sold, CONVERT)
    # Erased before the lead exists, then captured by forms from before the erasure.
    yield ACTIVITIES, gone, event({"leadId": lead_id(gone), "activity": done}, ACTIVITIES)
    named = {"leadId": lead_id(gone), "requestedBy": "desk"}
    yield ERASE, gone, event(named, ERASE, time=now.isoformat())
    yield UPDATE, gone, event({"leadId": lead_id(gone), "requestedBy": "sam", "assignedTo": "kim"}, UPDATE)
    yield CONVERT, gone, event({"leadId": lead_id(gone), "requestedBy": "sam"}, CONVERT)
    yield CAPTURED, gone, _capture(gone, gone)
    # Captured, erased, and mentioned once more.
    yield CAPTURED, known, _capture(known, known)
    if number >= _FORGOTTEN:
        before = f"known{number - _FORGOTTEN}"
        yield ERASE, before, event({"leadId": lead_id(before), "requestedBy": "desk"}, ERASE, time=now.isoformat())
        yield ENGAGEMENTS, before, event({"leadId": lead_id(before), "action": "clicked_pricing"}, ENGAGEMENTS)
    for earlier in (number - turns for turns in _REAPPEAR if turns <= number):
        yield CAPTURED, f"known{earlier}", _capture(f"known{earlier}", f"known{earlier}.{number}")


def _tasks(name: str, number: int) -> Iterator[Told]:
    """Yield a call that is planned, put off, given away and done, and commands that are rejected."""
    lead, task, now = lead_id(name), f"task{number}", system_clock()
    commands: tuple[dict[str, Any], ...] = (
        {"action": "create", "kind": "call", "title": "Call back"},
        {"action": "snooze", "taskId": task, "until": (now + timedelta(days=1)).isoformat()},
        {"action": "reassign", "taskId": task, "assignedTo": "kim"},
        {"action": "complete", "taskId": task, "outcome": "reached"},
        {"action": "cancel", "taskId": task},
        {"action": "complete", "taskId": f"no {task}"},
    )
    for order, command in enumerate(commands):
        id_ = f"{task}.{order}" if order else task
        said = {"leadId": lead, "requestedBy": "sam", **command}
        yield TASKS, name, event(said, TASKS, id_, time=now.isoformat())


def _namesakes(number: int) -> Iterator[Told]:
    """Yield two people of one name and company; later the second gets the first one's phone.

    The second is erased in the end.
    """
    one, two, last = *(f"{name}{number}" for name in _NAMESAKES), f"namesake{number}"
    yield CAPTURED, one, _capture(one, one, _PHONES[0], last)
    yield CAPTURED, two, _capture(two, two, _PHONES[1], last)
    if number >= _LATER:
        before = number - _LATER
        yield CAPTURED, f"two{before}", _capture(f"two{before}", f"swap{before}", _PHONES[0], f"namesake{before}")
    if number >= _FORGOTTEN:
        left = f"two{number - _FORGOTTEN}"
        named = {"leadId": lead_id(left), "requestedBy": "desk"}
        yield ERASE, left, event(named, ERASE, time=system_clock().isoformat())
    for earlier in (number - turns for turns in _REAPPEAR if turns <= number):
        again = _capture(f"two{earlier}", f"two{earlier}.{number}", _PHONES[0], f"namesake{earlier}")
        yield CAPTURED, f"two{earlier}", again


def _strays(number: int) -> Iterator[Told]:
    """Yield events of leads that never exist; they wait for the longest time."""
    nobody = f"nobody{number}"
    who = {"leadId": nobody, "requestedBy": "sam"}
    yield (
        ACTIVITIES,
        nobody,
        event({**who, "activity": {"type": "demo", "description": "Shown", "createdBy": "sam"}}, ACTIVITIES),
    )
    yield UPDATE, nobody, event({**who, "assignedTo": "kim"}, UPDATE)
    yield CONVERT, nobody, event(who, CONVERT)
    yield ERASE, nobody, event(who, ERASE)


def _expected(one: Letter) -> str | None:
    stray = one.topic == ACTIVITIES.name and (one.key or b"").startswith(b"nobody")
    return "lead_not_found" if stray else None


def _capture(name: str, event_id: str, phone: str | None = None, last: str | None = None) -> bytes:
    """Return the capture of a form that was filled in long ago."""
    return event(data(email=f"{name}@strangers.example.com", phone=phone, last=last or name), event_id=event_id)


def _bad(number: int) -> Iterator[Letter]:
    topic = _INPUTS[number % len(_INPUTS)]
    for one in range(3):
        yield Letter(topic, b"bad", b'{"bad": %d.%d' % (number, one))


def _line(one: Letter, expected: str | None) -> str:
    key, value = (base64.b64encode(part or b"").decode() for part in (one.key, one.value))
    # The key identifies a captured person. For namesakes with one phone the order decides instead.
    name = (one.key or b"").decode()
    known = one.topic == CAPTURED.name and not expected and not name.startswith(_NAMESAKES)
    person = f"stranger/{name}" if known else None
    return json.dumps({"topic": one.topic, "key": key, "value": value, "expected": expected, "person": person}) + "\n"
