"""Versions of an activity: several events may state one activity, and the newest by time holds (contract 2). Pure.

A row of `activities` has the newest version. `n` numbers the row's changes: a lead counts each of them once, and what
was counted before is `replaced`. A row changes only once its lead has counted it, so that nothing is left out.

A row's id derives from the lead and the activity's id. An event without an activity id `owns` the row of its own id;
ids are unique within a source only, so a second such event has a row under its own key. So have the events that an
earlier edition took in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.activities import counted, row_id

Document = dict[str, Any]

EARLIER_MAX = 8
"""Versions before the newest that a row remembers, for who asks what was known at a time."""
_FACTS = ("engagement", "trigger", "refusal", "metadata")
"""What only an engagement says of its activity: a correction doesn't take it away."""
_EARLIER = ("type", "at", "knownAt", "engagement", "cancelled")


@dataclass(frozen=True, slots=True)
class Version:
    """What an event states: the whole activity as a document under the event's key.

    `named` says that the event has an activity id of its own choice. `order` compares events of one activity.
    """

    document: Mapping[str, Any]
    activity_id: str
    named: bool
    order: tuple[str, ...]

    @property
    def key(self) -> str:
        """The event's key."""
        return str(self.document["_id"])

    @property
    def row_id(self) -> str:
        """The id of the activity's row, unless an event of another source owns that one."""
        return row_id(self.document["leadId"], self.activity_id)


@dataclass(slots=True)
class Plan:
    """What events do to rows: `inserts`; `changes` as pairs of a row before and after.

    `of` is the row of each event, by its key, as it is then. Not `complete`: some events have to look again, once the
    rows that they change are counted.
    """

    inserts: list[Document] = field(default_factory=list)
    changes: list[tuple[Document, Document]] = field(default_factory=list)
    of: dict[str, Document] = field(default_factory=dict)
    complete: bool = True


def planned(versions: Iterable[Version], stored: Mapping[str, Document], now: datetime) -> Plan:
    """Plan what these events do to the stored rows, by id; the newest event of a row goes first."""
    plan, rows, places = Plan(), dict(stored), dict[str, str]()
    touched: set[str] = set()
    for one in sorted(versions, key=lambda version: version.order, reverse=True):
        id_ = places[one.key] = _place(one, rows)
        row = rows.get(id_)
        if row is None:
            rows[id_] = _first(one, id_, now)
            plan.inserts.append(rows[id_])
            touched.add(id_)
        elif (after := _following(row, one, now)) is None:
            continue
        elif id_ in touched or not row["tallied"]:
            plan.complete = False
        else:
            rows[id_] = after
            plan.changes.append((row, after))
            touched.add(id_)
    plan.of = {key: rows[id_] for key, id_ in places.items()}
    return plan


def _place(one: Version, rows: Mapping[str, Document]) -> str:
    if one.key in rows:
        return one.key
    owner = rows.get(one.row_id, {}).get("owner")
    return one.key if not one.named and owner not in (None, one.key) else one.row_id


def _first(one: Version, id_: str, now: datetime) -> Document:
    owner = {} if one.named else {"owner": one.key}
    return {**one.document, "_id": id_, "n": 1, "tallied": False, "knownAt": now, **_stated_by(one), **owner}


def _stated_by(one: Version) -> Document:
    return {"activityId": one.activity_id, "eventKey": one.key, "order": list(one.order)}


def _following(row: Document, one: Version, now: datetime) -> Document | None:
    """The row after this event; None where the event changes nothing, for it is known or older."""
    if "order" not in row or one.key in (row["eventKey"], row.get("owner")):
        return None
    newer = list(one.order) > row["order"]
    if not newer and one.named:
        return None
    facts = {name: one.document[name] for name in _FACTS if name in one.document}
    # Once counted, a refusal has reached the lead; it is not stated again.
    kept = {name: row[name] for name in (*_FACTS, "owner") if name in row and name != "refusal"}
    stated = {**one.document, **_stated_by(one)} if newer else {**row, "refusal": None}
    after = {**kept, **stated, **facts, "_id": row["_id"], "n": row["n"] + 1, "tallied": False, "knownAt": now}
    after |= {"replaced": counted(row), "earlier": [*row.get("earlier", ()), _earlier(row)][-EARLIER_MAX:]}
    after |= {} if one.named else {"owner": one.key}
    return {name: value for name, value in after.items() if value is not None}


def _earlier(row: Mapping[str, Any]) -> Document:
    return {name: row[name] for name in _EARLIER if name in row}


def count_key(row: Mapping[str, Any]) -> str:
    """What a lead remembers of having counted this change of the row."""
    return row["_id"] if row.get("n", 1) == 1 else f"{row['_id']}:{row['n']}"


def counted_row(key: str) -> tuple[str, Mapping[str, Any]]:
    """The row that a count key is of, and what holds for the row while that change is its newest."""
    id_, _, number = key.partition(":")
    # A row of an earlier edition has no number.
    return id_, {"n": int(number)} if number else {"n": {"$not": {"$gt": 1}}}


def cause_of(row: Mapping[str, Any]) -> str:
    """The key of the event that states the row."""
    return str(row.get("eventKey", row["_id"]))


def rows_of(versions: Sequence[Version]) -> set[str]:
    """The ids under which rows of these events may stand."""
    return {id_ for one in versions for id_ in (one.key, one.row_id)}
