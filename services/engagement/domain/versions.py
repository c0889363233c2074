"""Versions of an activity: of several events, the newest by time is valid.

`schemas/README.md#leadsactivities` has the rule.

A row of `activities` has the newest version. `n` numbers the row's changes: a lead counts each of them once.
`replaced` is the version that the lead counted before. A row changes only after its lead has counted it, so that the
lead misses no change: `tallied` marks it then. A row that never changes is marked when its lead forgets it.

A row's id comes from the lead and the activity's id. An event without an activity id is the `owner` of the row under
its own id. Event ids are unique within a source only, so a second such event has a row under its key. Events that an
earlier release handled have such rows too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from shared.domain.activity_documents import counted_fields, row_id
from shared.domain.stored.activity_row import ActivityRow, EarlierVersion, EventParts

EARLIER_MAX = 8
"""Earlier versions that a row remembers, to show what was known at a time."""
_FACTS = ("engagement", "trigger", "refusal", "metadata")
"""Fields that only an engagement has: a correction of its activity keeps them."""
_EARLIER = ("type", "at", "knownAt", "engagement", "cancelled")


@dataclass(frozen=True, slots=True)
class Version:
    """One event about an activity, with the whole activity as a document.

    The document is under the event's key.

    `named`: the producer gave an activity id. `order` compares events of one activity. `known_at` is set for history.
    """

    document: ActivityRow
    activity_id: str
    named: bool
    order: tuple[str, ...]
    known_at: datetime | None = None

    @property
    def key(self) -> str:
        """The event's key."""
        return str(self.document["_id"])

    @property
    def row_id(self) -> str:
        """The id of the activity's row, unless an event of another source is its owner."""
        return row_id(self.document["leadId"], self.activity_id)


@dataclass(slots=True)
class RowPlan:
    """The writes of some events: `inserts`, and `changes` as pairs of a row before and after.

    `of` has each event's row after the writes, by the event's key. If it isn't `complete`, plan again after the leads
    have counted these rows.
    """

    inserts: list[ActivityRow] = field(default_factory=list)
    changes: list[tuple[ActivityRow, ActivityRow]] = field(default_factory=list)
    of: dict[str, ActivityRow] = field(default_factory=dict)
    complete: bool = True


def plan_rows(versions: Iterable[Version], stored: Mapping[str, ActivityRow], now: datetime) -> RowPlan:
    """Plan the changes of the stored rows (by id) for these events, newest event first."""
    plan, rows, places = RowPlan(), dict(stored), dict[str, str]()
    touched: set[str] = set()
    for one in sorted(versions, key=lambda version: version.order, reverse=True):
        id_ = places[one.key] = _find_row_id(one, rows)
        row = rows.get(id_)
        if row is None:
            rows[id_] = _first_row(one, id_, now)
            plan.inserts.append(rows[id_])
            touched.add(id_)
        elif (after := _next_row(row, one, now)) is None:
            continue
        elif id_ in touched or not row["tallied"]:
            plan.complete = False
        else:
            rows[id_] = after
            plan.changes.append((row, after))
            touched.add(id_)
    plan.of = {key: rows[id_] for key, id_ in places.items()}
    return plan


def _find_row_id(one: Version, rows: Mapping[str, ActivityRow]) -> str:
    if one.key in rows:
        return one.key
    row = rows.get(one.row_id)
    owner = row.get("owner") if row else None
    return one.key if not one.named and owner not in (None, one.key) else one.row_id


def _first_row(one: Version, id_: str, now: datetime) -> ActivityRow:
    known_at = one.known_at or now
    row: ActivityRow = {**one.document, "_id": id_, "n": 1, "tallied": False, "knownAt": known_at, **_stated_by(one)}
    return row if one.named else {**row, "owner": one.key}


def _stated_by(one: Version) -> EventParts:
    return {"activityId": one.activity_id, "eventKey": one.key, "order": list(one.order)}


def _next_row(row: ActivityRow, one: Version, now: datetime) -> ActivityRow | None:
    """Return the row after this event; None if the event is known or older."""
    if "order" not in row or one.key in (row["eventKey"], row.get("owner")):
        return None
    newer = list(one.order) > row["order"]
    if not newer and one.named:
        return None
    facts = _picked(one.document, _FACTS)
    # The lead has a counted refusal already: the row must not repeat it.
    kept = _picked(row, (*(one for one in _FACTS if one != "refusal"), "owner"))
    stated = {**one.document, **_stated_by(one)} if newer else {**row, "refusal": None}
    known: dict[str, object] = {"n": row["n"] + 1, "tallied": False, "knownAt": one.known_at or now}
    after = {**kept, **stated, **facts, "_id": row["_id"], **known}
    after |= {"replaced": counted_fields(row), "earlier": [*row.get("earlier", ()), _earlier(row)][-EARLIER_MAX:]}
    after |= {} if one.named else {"owner": one.key}
    # A selection of fields by name loses the type.
    return cast("ActivityRow", {name: value for name, value in after.items() if value is not None})


def _picked(row: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    return {name: row[name] for name in names if name in row}


def _earlier(row: ActivityRow) -> EarlierVersion:
    # A selection of fields by name loses the type.
    return cast("EarlierVersion", _picked(row, _EARLIER))


def counted_row(key: str) -> tuple[str, Mapping[str, object]]:
    """Return the row's id of a count key, and the guard that this change is still its newest."""
    id_, _, number = key.partition(":")
    # A row of an earlier release has no number.
    return id_, {"n": int(number)} if number else {"n": {"$not": {"$gt": 1}}}


def cause_of(row: ActivityRow) -> str:
    """Return the key of the event that the row is from."""
    return str(row.get("eventKey", row["_id"]))


def row_ids_of(versions: Sequence[Version]) -> set[str]:
    """Return the ids that rows of these events may have."""
    return {id_ for one in versions for id_ in (one.key, one.row_id)}
