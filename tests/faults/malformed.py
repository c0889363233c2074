"""Payloads that no reader can use, seeded: each is made wrong on purpose, so that what it may end with is known.

What is valid in an odd way is left out: unknown fields, numbers written as text, a name given twice (the last one
counts), escapes, any depth that a parser takes.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import export
from schemas.base import ENVELOPE_LIMIT
from schemas.reasons import DeadLetterReason as Reason
from schemas.topics import CAPTURED, CONVERT, ENGAGEMENTS, TOPICS, Topic

INPUTS = tuple(topic for topic in TOPICS.values() if topic.kind == "input")
CANARY = "Kanari-4711"
"""Stands where a person's data would: no reason may quote it."""
SHAPE = frozenset({Reason.NOT_JSON, Reason.NOT_CLOUDEVENT})
"""What noise may end with: some of it is JSON by chance."""

_EXAMPLES = Path(export.__file__).parent / "examples"
_MORE: dict[str, list[dict[str, Any]]] = {
    "leads.captured": [{"company": {"name": "Blue Fork", "website": "https://blue.example"}}],
    "leads.activities": [{"leadId": "lead-1", "email": "ana@example.com"}],
    "leads.qualify": [
        {
            "requirements": None,
            "bant": {
                "budget": {"confirmed": True, "amount": 9_000.0, "timeframe": "this year"},
                "authority": {"isDecisionMaker": False, "decisionMakers": ["Ana"], "approvalProcess": "board"},
                "need": {"currentSolution": "fax", "painPoints": ["waste"], "requirements": ["daily"]},
                "timeline": {"urgency": "future", "implementationDate": "2026-11-02T14:03:00Z", "factors": ["menu"]},
            },
        }
    ],
    "leads.update": [{"assignedTo": "kim"}],
    "leads.tasks": [
        {"action": "complete", "taskId": "t1", "outcome": "sold"},
        {"action": "snooze", "taskId": "t1", "until": "2026-11-02T14:03:00Z"},
        {"action": "reassign", "taskId": "t1", "assignedTo": "kim"},
        {"action": "cancel", "taskId": "t1"},
    ],
}
_REQUIRED = {
    "leads.captured": ("source", "company", "company.name", "contact", "contact.firstName", "contact.lastName"),
    "leads.activities": ("activity", "activity.type", "activity.description", "activity.createdBy"),
    "leads.engagements": ("action",),
    "leads.qualify": ("leadId", "requestedBy"),
    "leads.update": ("leadId", "requestedBy"),
    "leads.tasks": ("leadId", "requestedBy", "action"),
    "leads.convert": ("leadId", "requestedBy"),
    "leads.erase": ("requestedBy",),
}
"""What schemas/README.md#inputs marks as required, and nothing else stands in for."""
_FREE = ("attributes.", "context.", "metadata.")
FREE_PARTS = {"leads.captured": "context", "leads.engagements": "metadata", "leads.convert": "opportunity"}
"""What producers fill with fields of their own, by topic."""
EXTENDED_JSON: tuple[dict[str, Any], ...] = (
    {"$ref": "leads", "$id": "b"},
    {"$ref": "leads", "$id": {"$oid": "5f2b1c0e9d3e2a0001a1b2c3"}, "$db": "admin"},
    {"$oid": "5f2b1c0e9d3e2a0001a1b2c3"},
    {"$date": "2026-11-02T14:03:00Z"},
    {"$date": {"$numberLong": "1"}},
    {"$numberInt": "1"},
    {"$numberLong": "1"},
    {"$numberDouble": "Infinity"},
    {"$numberDecimal": "1.5"},
    {"$binary": {"base64": "AAAA", "subType": "00"}},
    {"$uuid": "c8edabc3-f738-4ca3-b68d-ab92a91478a3"},
    {"$regularExpression": {"pattern": "a", "options": "i"}},
    {"$regex": "a", "$options": "i"},
    {"$timestamp": {"t": 1, "i": 1}},
    {"$minKey": 1},
    {"$maxKey": 1},
    {"$undefined": True},
    {"$symbol": "a"},
    {"$code": "f()", "$scope": {}},
    {"$dbPointer": {"$ref": "leads", "$id": {"$oid": "5f2b1c0e9d3e2a0001a1b2c3"}}},
    {"$where": "1"},
    {"$set": {"a": 1}},
    {"$": 1},
    {"a": 1, "$b": 1},
)
"""What MongoDB's tools and drivers take for more than it is."""
_WORDS = {"source", "size", "type", "urgency", "status"}
_MOMENTS = {"capturedAt", "scheduledAt", "completedAt", "implementationDate"}
_NO_DATES = (CANARY, 5, "2026-11-02", "2026-11-02T14:03:00", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59")
_WRONG: dict[type, tuple[Any, ...]] = {
    str: (17, True, [CANARY], {"a": CANARY}, 1.5),
    bool: (CANARY, 7, [], {"a": 1}),
    int: (CANARY, [], {"a": 1}, -1, 1e16, "1e999"),
    float: (CANARY, [], {"a": 1}, -1, 1e16, "1e999"),
    list: (CANARY, 5, {"a": 1}, [CANARY] * 51, [5]),
    dict: (CANARY, 5, [CANARY], True),
}
Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record's value (None: a tombstone) on a topic, how it is malformed, and the reasons it may end with."""

    topic: Topic
    kind: str
    value: bytes | None
    reasons: frozenset[Reason]


def _texts(topic: Topic) -> tuple[str, ...]:
    golden = json.loads((_EXAMPLES / f"{topic.event_type}.json").read_text())
    plain = [golden, *({**golden, "data": golden["data"] | more} for more in _MORE.get(topic.name, ()))]
    return tuple(json.dumps(one) for one in plain)


EXAMPLES = {topic.name: _texts(topic) for topic in INPUTS}


def valid(topic: Topic, rng: random.Random) -> dict[str, Any]:
    """A valid event of this topic, the caller's own to change."""
    event: dict[str, Any] = json.loads(rng.choice(EXAMPLES[topic.name]))
    event["id"] = f"{rng.getrandbits(64):x}"
    return event


def _paths(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    for name, part in value.items():
        yield (*at, name)
        if isinstance(part, dict):
            yield from _paths(part, (*at, name))


def _at(data: Any, path: Path_) -> Any:
    for name in path:
        data = data[name]
    return data


def _put(data: Any, path: Path_, value: Any) -> None:
    _at(data, path[:-1])[path[-1]] = value


def encode(value: Any) -> bytes:
    """JSON in the bytes that a producer would send."""
    return json.dumps(value).encode()


def _insert(value: bytes, junk: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(value))
    return value[:place] + junk + value[place:]


def _noise(_: Topic, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 400))


def _nothing(_: Topic, rng: random.Random) -> bytes | None:
    return rng.choice((None, b"", b" ", b"\n\n", b"\xef\xbb\xbf"))


def _no_object(_: Topic, rng: random.Random) -> bytes:
    return rng.choice((b"null", b"true", b"-0", b"1e999", b"9" * 400, b"[]", b'[{"id": 1}]', encode(CANARY)))


def _truncated(topic: Topic, rng: random.Random) -> bytes:
    value = encode(valid(topic, rng))
    return value[: rng.randrange(1, len(value))]


def _trailing(topic: Topic, rng: random.Random) -> bytes:
    value = encode(valid(topic, rng))
    return value + rng.choice((b"}", b"\0", b"x", b",", value))


def _bad_bytes(topic: Topic, rng: random.Random) -> bytes:
    junk = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\0", b"\x07", b"\x1b", b"\x80")
    return _insert(encode(valid(topic, rng)), rng.choice(junk), rng)


def _bad_token(topic: Topic, rng: random.Random) -> bytes:
    event = valid(topic, rng)
    _put(event["data"], rng.choice(list(_paths(event["data"]))), "HERE")
    tokens = (b"NaN", b"Infinity", b"-Infinity", b"01", b"0x1", b"+1", b".5", b"1.", b"1e", b"'a'", b"True", b"")
    more = (b"9" * 5_000, b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\x41"', b'"\\u12"', b"[1,]", b'{"a":1,}', b"{1:2}")
    return encode(event).replace(b'"HERE"', rng.choice(tokens + more), 1)


def _deep(topic: Topic, rng: random.Random) -> bytes:
    event, depth = valid(topic, rng), rng.randint(210, 5_000)
    event["data"]["deep"] = "HERE"
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return encode(event).replace(b'"HERE"', opening * depth + b"1" + closing * depth)


def _envelope_lacks(topic: Topic, rng: random.Random) -> bytes:
    event = valid(topic, rng)
    del event[rng.choice(("specversion", "id", "source", "type", "time", "data"))]
    return encode(event)


def _envelope_wrong(topic: Topic, rng: random.Random) -> bytes:
    event = valid(topic, rng)
    other = rng.choice([one for one in INPUTS if one is not topic])
    wrong: dict[str, tuple[Any, ...]] = {
        "specversion": ("0.3", "1", 1.0, None, CANARY),
        "id": ("", 7, None, "x" * 201, [CANARY]),
        "source": ("", 7, None, "x" * 501, {"a": CANARY}),
        "type": ("", 7, None, CANARY, topic.name, f"{topic.name}.v0", f"{topic.name}.v1 ", other.event_type),
        "time": (*_NO_DATES, None, True, [], "0001-01-01T00:00:00+23:59"),
        "datacontenttype": ("text/xml", 5, "", "application/jsonp", "text/plain; application/json"),
        "data": (CANARY, 5, None, [], [{"leadId": CANARY}]),
    }
    name = rng.choice(list(wrong))
    event[name] = rng.choice(wrong[name])
    return encode(event)


def _data_twice(topic: Topic, rng: random.Random) -> bytes:
    return encode(valid(topic, rng))[:-1] + b', "data": ' + rng.choice((b"null", b"[]", b"5")) + b"}"


def _version(topic: Topic, rng: random.Random) -> bytes:
    return encode(valid(topic, rng) | {"type": f"{topic.name}.v{rng.randint(2, 10**6)}"})


def _lacks(topic: Topic, rng: random.Random) -> bytes:
    event, path = valid(topic, rng), tuple(rng.choice(_REQUIRED[topic.name]).split("."))
    if rng.random() < 0.3:
        _put(event["data"], path, None)
    else:
        del _at(event["data"], path[:-1])[path[-1]]
    return encode(event)


def _wrong_value(topic: Topic, rng: random.Random) -> bytes:
    event = valid(topic, rng)
    paths = [path for path in _paths(event["data"]) if not ".".join(path).startswith(_FREE)]
    path = rng.choice([path for path in paths if _at(event["data"], path) is not None])
    name, there = path[-1], _at(event["data"], path)
    wrong = _WRONG[type(there)]
    if isinstance(there, str):
        wrong += ("x" * 5_000,)
        wrong += (CANARY,) if name in _WORDS else ()
        wrong += _NO_DATES if name in _MOMENTS else ()
    _put(event["data"], path, rng.choice(wrong))
    return encode(event)


def _capture_rules(_: Topic, rng: random.Random) -> bytes:
    event = valid(CAPTURED, rng)
    contexts: tuple[dict[str, Any], ...] = ({"": 1}, {"$a": 1}, {"a.b": 1}, {"a\0": 1}, {"notes": CANARY * 1_000})
    wrong: tuple[tuple[Path_, tuple[Any, ...]], ...] = (
        (("contact", "email"), (CANARY, "a@", "@b.example", "a b@c.example", "a@b..example", "a@b@c.example")),
        (("contact", "phone"), (CANARY, "12", "+", "9" * 40)),
        (("context",), (*contexts, {str(number): 1 for number in range(51)})),
        (
            ("contact",),
            ({"firstName": "Ana", "lastName": CANARY}, {"firstName": " ", "lastName": "R", "email": "a@b.c"}),
        ),
    )
    path, values = rng.choice(wrong)
    _put(event["data"], path, rng.choice(values))
    return encode(event)


def _not_storable(topic: Topic, rng: random.Random) -> bytes:
    event = valid(topic, rng)
    deep: Any = 1
    for _ in range(rng.randint(95, 150)):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    values = (2**63, -(2**70), 10**400, {"a\0b": CANARY}, [{"\0": 1}], {"": 1}, deep, *map(dict, EXTENDED_JSON))
    value = rng.choice(values)
    for _ in range(rng.randint(0, 3)):
        value = [value] if rng.random() < 0.5 else {"a": value}
    event["data"].setdefault(FREE_PARTS[topic.name], {})["free"] = value
    return encode(event)


def _oversize(topic: Topic, rng: random.Random) -> bytes:
    event = valid(topic, rng)
    event["data"]["pad"] = CANARY * (ENVELOPE_LIMIT // len(CANARY) + 1)
    return encode(event) if rng.random() < 0.9 else b"\0" * (ENVELOPE_LIMIT + 1)


_KINDS: dict[str, tuple[Callable[[Topic, random.Random], bytes | None], frozenset[Reason]]] = {
    "noise": (_noise, SHAPE),
    "nothing": (_nothing, frozenset({Reason.NOT_JSON})),
    "no object": (_no_object, frozenset({Reason.NOT_CLOUDEVENT})),
    "truncated": (_truncated, frozenset({Reason.NOT_JSON})),
    "something behind": (_trailing, frozenset({Reason.NOT_JSON})),
    "bytes that are no text": (_bad_bytes, frozenset({Reason.NOT_JSON})),
    "a token that is no JSON": (_bad_token, frozenset({Reason.NOT_JSON})),
    "too deep": (_deep, frozenset({Reason.NOT_JSON})),
    "an attribute missing": (_envelope_lacks, frozenset({Reason.NOT_CLOUDEVENT})),
    "an attribute wrong": (_envelope_wrong, frozenset({Reason.NOT_CLOUDEVENT})),
    "data twice": (_data_twice, frozenset({Reason.NOT_CLOUDEVENT})),
    "another version": (_version, frozenset({Reason.UNSUPPORTED_VERSION})),
    "a field missing": (_lacks, frozenset({Reason.INVALID_DATA})),
    "a field wrong": (_wrong_value, frozenset({Reason.INVALID_DATA})),
    "a capture's rule broken": (_capture_rules, frozenset({Reason.INVALID_DATA})),
    "what no database keeps": (_not_storable, frozenset({Reason.INVALID_DATA})),
    "too large": (_oversize, frozenset({Reason.TOO_LARGE})),
}
_OF = {"a capture's rule broken": (CAPTURED,), "what no database keeps": (CAPTURED, CONVERT, ENGAGEMENTS)}
_WEIGHTS = [0.05 if kind == "too large" else 1.0 for kind in _KINDS]


def malformed(count: int, seed: int) -> Iterator[Malformed]:
    """`count` malformed records over all input topics, the same for the same seed."""
    rng, names = random.Random(seed), list(_KINDS)
    for _ in range(count):
        (kind,) = rng.choices(names, _WEIGHTS)
        topic = rng.choice(_OF.get(kind, INPUTS))
        make, reasons = _KINDS[kind]
        yield Malformed(topic, kind, make(topic, rng), reasons)


def mutated(value: bytes, rng: random.Random) -> bytes:
    """`value` with one to four bytes changed, lost or added: often no event any more, sometimes still one."""
    body = bytearray(value)
    for _ in range(rng.randint(1, 4)):
        place, action = rng.randrange(len(body)), rng.randrange(3)
        if action == 0:
            body[place] = rng.randrange(256)
        elif action == 1:
            del body[place]
        else:
            body.insert(place, rng.randrange(256))
    return bytes(body)
