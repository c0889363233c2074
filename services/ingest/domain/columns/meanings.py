"""Decide what the columns of a form, scanner or spreadsheet hold, from their names. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from schemas.attributes import NO_ATTRIBUTES, Attribute, Attributes
from services.ingest.domain.columns.consent_words import speaks_of_consent
from services.ingest.domain.columns.header_names import Meaning, known_headers
from services.ingest.domain.columns.header_text import clean_header, header_key
from services.ingest.domain.columns.headers import NAME_ALONE, meaning_of

CONTEXT = "context."
_ATTRIBUTES = "attributes."
CONSENT = "consent"
"""The path of a column that states consent to both mail and calls."""
NOT = "not "
"""The prefix of a path that a user gives for a column in which a yes means no."""
CONTEXT_ENTRIES = 50
TARGETS = (
    "id",
    "time",
    "date",
    "source",
    "company.name",
    "company.industry",
    "company.size",
    "company.website",
    "company.annualRevenue",
    "contact.firstName",
    "contact.lastName",
    "contact.name",
    "contact.title",
    "contact.email",
    "contact.phone",
    "requirements.budget",
    "requirements.timeline",
    "requirements.decisionMakers",
    "requirements.currentSolution",
    "requirements.painPoints",
    "consent.email",
    "consent.phone",
    "consent.capturedAt",
    "consent.wording",
    "context.campaign",
    "context.event",
    "context.booth",
    "context.form",
    "context.territory",
)
"""The paths that a user may map a column to, besides `consent`, declared attributes and any `context.NAME`.

`contact.name` is split into two names; `date` completes `time`.
"""
CONSENT_PATHS = frozenset({CONSENT, "consent.email", "consent.phone"})
"""The paths that state consent."""
# Two columns of these paths can't be combined without losing cells.
_ONE_COLUMN = frozenset({"id", "time", "date", "consent.capturedAt", "consent.wording"})
ALIASES = {"consent.wording": "context.consentWording"}
"""Where a capture keeps the values of paths that are no field of its own."""


class ColumnOrigin(StrEnum):
    """How the meaning of a column is known."""

    NAMED = "named"
    """Its header is a known name of its path."""
    GUESSED = "guessed"
    """Its header is nearly a known name."""
    GIVEN = "given"
    """The user mapped it."""
    KEPT = "kept"
    """It is unknown: its cells are kept in the context."""
    LEFT_OUT = "left out"
    """The user left it out, or the context has no room for it."""
    ASKED = "asked"
    """It may state consent, and only the user can say which. Until then it is only kept."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column: its header, its `path` (None: not used), and how the path is known.

    `negated`: a yes in it means no, as in "Email Opt Out".
    """

    header: str
    path: str | None
    origin: ColumnOrigin
    negated: bool = False
    answers: frozenset[str] = field(default=frozenset(), compare=False)
    """The cells of a consent column that show what a lone letter in it means."""
    attribute: Attribute | None = field(default=None, compare=False)
    """The declared attribute that the column holds."""


def columns_of(
    headers: Sequence[str],
    given: Mapping[str, str] | None = None,
    *,
    room: int = CONTEXT_ENTRIES,
    attributes: Attributes = NO_ATTRIBUTES,
) -> tuple[SourceColumn, ...]:
    """Return the columns in file order; `given` maps headers to paths, "" to leave out.

    A column of a declared attribute has its path, its name or its label as header, unless the header is a known name
    of another path.

    Several columns may share a path, except an id, a moment, or a context entry: there the best name wins.
    """
    given = given or {}
    named = [header for header in dict.fromkeys(headers) if header not in given]
    found = {header: _given(header, path) for header, path in given.items()}
    meanings = {header: _meaning(header, attributes) for header in named}
    found |= _understood(meanings, found.values())
    unclear = {header for header, meaning in meanings.items() if meaning is None and speaks_of_consent(header)}
    rest = [header for header in named if header not in found]
    # Cells that may state consent come first when the context has little room.
    found |= _kept([one for one in rest if one in unclear], ColumnOrigin.ASKED, found.values(), room)
    found |= _kept([one for one in rest if one not in unclear], ColumnOrigin.KEPT, found.values(), room)
    columns = (found[header] for header in headers)
    return tuple(replace(one, attribute=attribute_at(one.path or "", attributes)) for one in columns)


def attribute_at(path: str, attributes: Attributes) -> Attribute | None:
    """Return the declared attribute of a path such as `attributes.cuisine`."""
    return attributes.by_name.get(path.removeprefix(_ATTRIBUTES)) if path.startswith(_ATTRIBUTES) else None


def is_target(path: str, attributes: Attributes = NO_ATTRIBUTES) -> bool:
    """Return whether a user may map a column to this path; consent may have the prefix `not `."""
    if path.startswith(NOT):
        return path.removeprefix(NOT) in CONSENT_PATHS
    name = path.removeprefix(CONTEXT)
    if path in TARGETS or path == CONSENT or attribute_at(path, attributes):
        return True
    return name not in {"", path} and name == context_name(name)


def is_known_header(header: str) -> bool:
    """Return whether exactly this column name is known."""
    return header_key(clean_header(header)) in known_headers().meanings


def context_name(header: str) -> str:
    """Return a valid context name for this header."""
    return re.sub(r"^\$|[.\0]", "_", " ".join(header.replace("\ufeff", "").split())[:100])


def _given(header: str, path: str) -> SourceColumn:
    if not path:
        return SourceColumn(header, None, ColumnOrigin.LEFT_OUT)
    return SourceColumn(header, path.removeprefix(NOT), ColumnOrigin.GIVEN, negated=path.startswith(NOT))


def _meaning(header: str, attributes: Attributes) -> Meaning | None:
    path = header.strip()
    if path.startswith((CONTEXT, _ATTRIBUTES)) and is_target(path, attributes):
        return Meaning(path)
    known = meaning_of(header)
    declared = _attribute_paths(attributes).get(header_key(clean_header(header)))
    return Meaning(declared) if declared and (known is None or known.guessed) else known


@lru_cache(maxsize=4)  # forms ask for it with each post
def _attribute_paths(attributes: Attributes) -> Mapping[str, str]:
    """Return the path of each attribute by the forms of its headers."""
    found: dict[str, str] = {}
    for one in attributes.attributes:
        for header in (one.name, one.label, f"{one.label} {one.unit}"):
            found.setdefault(header_key(clean_header(header)), f"{_ATTRIBUTES}{one.name}")
    return found


def _understood(meanings: Mapping[str, Meaning | None], given: Iterable[SourceColumn]) -> dict[str, SourceColumn]:
    """Return the columns whose names are understood, unless a better column has their path."""
    taken = {column.path for column in given}
    of_path: dict[str, list[tuple[str, Meaning]]] = {}
    for header, meaning in meanings.items():
        if meaning is not None:
            of_path.setdefault(meaning.path, []).append((header, meaning))
    best = {path: _best(path, named, taken=path in taken) for path, named in of_path.items()}
    _fill_half_names(best, taken)
    return {header: _named(header, meaning) for named in best.values() for header, meaning in named}


def _fill_half_names(best: dict[str, Sequence[tuple[str, Meaning]]], taken: Collection[str | None]) -> None:
    """Take "Name" as the last name beside a first name, and as the first beside a last name."""
    missing = [path for path in ("contact.firstName", "contact.lastName") if not best.get(path) and path not in taken]
    named = best.get("contact.name", ())
    if len(missing) == 1 and named and all(header_key(clean_header(header)) in NAME_ALONE for header, _ in named):
        best["contact.name"] = ()
        best[missing[0]] = [(header, replace(meaning, path=missing[0])) for header, meaning in named]


def _best(path: str, named: Sequence[tuple[str, Meaning]], *, taken: bool) -> Sequence[tuple[str, Meaning]]:
    """Return the columns of one path that keep it; `taken` means that a mapped column has it."""
    tier = min(_tier(meaning) for _, meaning in named)
    same = [one for one in named if _tier(one[1]) == tier]
    if path in _ONE_COLUMN or path.startswith(CONTEXT):
        return [] if taken else [min(same, key=lambda one: one[1].rank)]
    return [] if taken and tier else same


def _tier(meaning: Meaning) -> int:
    return 2 if meaning.guessed else int(meaning.only_alone)


def _named(header: str, meaning: Meaning) -> SourceColumn:
    origin = ColumnOrigin.GUESSED if meaning.guessed else ColumnOrigin.NAMED
    return SourceColumn(header, meaning.path, origin, meaning.negated)


def _kept(
    headers: Iterable[str], origin: ColumnOrigin, known: Iterable[SourceColumn], most: int
) -> dict[str, SourceColumn]:
    """Return the columns that are kept in the context, as long as it has room."""
    taken = {ALIASES.get(column.path, column.path) for column in known if column.path}
    room = most - sum(path.startswith(CONTEXT) for path in taken)
    found: dict[str, SourceColumn] = {}
    for header in headers:
        name = context_name(header)
        path = _free(CONTEXT + name, taken) if name and room > 0 else None
        if path:
            taken.add(path)
            room -= 1
        out = path is None and origin is ColumnOrigin.KEPT
        found[header] = SourceColumn(header, path, ColumnOrigin.LEFT_OUT if out else origin)
    return found


def _free(name: str, taken: set[str]) -> str:
    path, number = name, 1
    while path in taken:
        number += 1
        path = f"{name} {number}"
    return path
