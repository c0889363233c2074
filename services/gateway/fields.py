"""Flat fields of forms, scanners and spreadsheets become captures, whatever their columns are called. All is pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from difflib import SequenceMatcher
from typing import Any

from schemas.lead import CompanySize, Source
from services.gateway import values
from services.gateway.values import plain

CONTEXT = "context."
_CONTEXT_ENTRIES = 50
# What a column for each path is called, the likeliest first.
_SYNONYMS = {
    "id": "id, event id, scan id, capture id, submission id",
    "time": "time, timestamp, time stamp, scan time, scanned at, scan timestamp, scan date time, date time,"
    " capture time, captured at, submitted at, submission time, created at, visit time, time scanned",
    "date": "date, scan date, date scanned, capture date, visit date, created date, date created, submission date",
    "source": "source, lead source, channel",
    "company.name": "company name, company, organisation, organization, organisation name, organization name, business"
    " name, business, account name, account, employer, restaurant, restaurant name, firm, company organization",
    "company.industry": "industry, company industry, sector, business type, type of business, vertical",
    "company.size": "company size, size, business size",
    "company.website": "website, web site, company website, web address, url, company url, homepage, web",
    "company.annualRevenue": "annual revenue, revenue, company revenue, annual turnover, turnover, annual sales",
    "contact.firstName": "first name, given name, forename, first, fname, contact first name, attendee first name",
    "contact.lastName": "last name, surname, family name, last, lname, contact last name, attendee last name",
    "contact.name": "full name, contact name, name, attendee name, visitor name, badge name, attendee, visitor,"
    " contact, customer name, lead name",
    "contact.title": "job title, title, position, role, job role, designation, contact title",
    "contact.email": "email, email address, work email, business email, contact email, primary email, mail, your email",
    "contact.phone": "phone, phone number, telephone, telephone number, mobile, mobile phone, mobile number, cell, cell"
    " phone, work phone, business phone, contact phone, contact number, direct phone, tel",
    "requirements.budget": "budget, estimated budget, budget amount",
    "requirements.timeline": "timeline, timeframe, time frame, purchase timeframe, purchase timeline, buying timeframe",
    "requirements.decisionMakers": "decision makers, decision maker",
    "requirements.currentSolution": "current solution, current system, current supplier, current provider",
    "requirements.painPoints": "pain points, pain point, challenges, pains",
    "consent.email": "email consent, consent email, email opt in, opt in email, marketing consent, marketing opt in",
    "consent.phone": "phone consent, consent phone, phone opt in, opt in phone, call consent, consent to call",
    "consent.capturedAt": "consent date, consent time, consent captured at, opt in date, opt in time",
    "consent.wording": "consent wording, consent text, consent statement, opt in text",
    "context.campaign": "campaign, campaign name",
    "context.event": "event, event name, show, show name, trade show, exhibition",
    "context.booth": "booth, booth number, stand, stand number",
    "context.form": "form, form name",
    "context.territory": "territory, sales territory",
}
TARGETS = tuple(_SYNONYMS)
"""The paths that a field may map to, besides `context.NAME` of any name; contact.name is split, date completes time."""

_NAMED = [
    (plain(word), path, rank) for path, text in _SYNONYMS.items() for rank, word in enumerate((path, *text.split(",")))
]
_ALIKE = 0.84
_LEAST_LETTERS = 4
# A near miss of these could take "no" for "yes", or two scans for one.
_TO_THE_LETTER = ("id", "consent.")
_ALIASES = {"consent.wording": "context.consentWording"}
_INSTEAD = {
    "contact.firstName": "contact.name",
    "contact.lastName": "contact.name",
    "context.consentWording": "consent.wording",
    "time": "date",
}
_READERS: dict[str, Callable[[str], Any]] = {
    "source": lambda text: values.choice(text, list(Source)),
    "company.size": lambda text: values.choice(text, list(CompanySize)),
    "company.annualRevenue": values.amount,
    "requirements.budget": values.amount,
    "requirements.decisionMakers": values.words,
    "requirements.painPoints": values.words,
    "consent.email": values.flag,
    "consent.phone": values.flag,
}


@dataclass(frozen=True, slots=True)
class Cells:
    """What one row says: the capture in wire form, and the event's `id` and `time` (ISO 8601) if it names any."""

    data: dict[str, Any]
    id: str | None
    time: str | None


def is_target(path: str) -> bool:
    """Whether a field may map to this path."""
    name = path.removeprefix(CONTEXT)
    return path in TARGETS or (name not in {"", path} and name == _context_name(name))


def guess(headers: Sequence[str], fixed: Mapping[str, str] | None = None) -> dict[str, str]:
    """The path of each header that is not blank, in the headers' order; `fixed` ones are known already.

    Two headers never have one path, the better fit has it. What fits nothing goes into the context while that has room.
    """
    found = dict(fixed or {})
    named = [header for header in dict.fromkeys(headers) if header not in found and plain(header)]
    fits = sorted(
        (score, at, header, path) for at, header in enumerate(named) for path, score in _fits(plain(header), header)
    )
    for _, _, header, path in fits:
        if header not in found and path not in found.values():
            found[header] = path
    _keep_rest(named, found)
    return {header: found[header] for header in dict.fromkeys(headers) if header in found}


def _fits(name: str, header: str) -> list[tuple[str, float]]:
    """Paths with how badly they fit: 0 is the path itself, up to 1 one of its names, below 2 a slip of the pen."""
    if header.strip().startswith(CONTEXT) and is_target(header.strip()):
        return [(header.strip(), 0)]
    same = [(path, rank / 100) for word, path, rank in _NAMED if word == name]
    return same or [
        (path, 2 - likeness)
        for word, path, _ in _NAMED
        if not path.startswith(_TO_THE_LETTER) and (likeness := _likeness(name, word)) >= _ALIKE
    ]


def _likeness(name: str, word: str) -> float:
    # "Mailing address" is no misspelt "email address": a slip adds or drops one letter.
    if min(len(name), len(word)) < _LEAST_LETTERS or abs(len(name) - len(word)) > 1:
        return 0
    matcher = SequenceMatcher(None, name, word, autojunk=False)
    # The quick ones are never below the true one, and spare it nearly always: names come from whoever posts a form.
    if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
        return 0
    return matcher.ratio()


def _keep_rest(headers: Sequence[str], found: dict[str, str]) -> None:
    taken = {_ALIASES.get(path, path) for path in found.values()}
    room = _CONTEXT_ENTRIES - sum(path.startswith(CONTEXT) for path in taken)
    rest = [header for header in headers if header not in found]
    for header in rest[:room]:
        name = path = CONTEXT + _context_name(header)
        number = 1
        while path in taken:
            number += 1
            path = f"{name} {number}"
        taken.add(path)
        found[header] = path


def _context_name(header: str) -> str:
    return re.sub(r"^\$|[.\0]", "_", " ".join(header.replace("\ufeff", "").split())[:100])


def capture_of(
    cells: Mapping[str, str], mapping: Mapping[str, str], default_source: str | None, zone: tzinfo = UTC
) -> Cells:
    """What the cells of one row, by header, say under `mapping`; blank ones say nothing.

    Moments without a zone are read in `zone`. Nothing is refused here: what isn't understood stays as it is.
    """
    found: dict[str, str] = {}
    for header, path in mapping.items():
        if text := cells.get(header, "").strip():
            found.setdefault(path, text)
    event_id, time, date = found.pop("id", None), found.pop("time", ""), found.pop("date", "")
    first, last = values.names(found.pop("contact.name", ""))
    otherwise = {"contact.firstName": first, "contact.lastName": last, "source": default_source}
    found = {path: text for path, text in otherwise.items() if text} | found
    return Cells(_nested(found, zone), event_id, values.moment_of(date, time, zone) or None)


def _nested(found: Mapping[str, str], zone: tzinfo) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for path, text in found.items():
        section, _, name = _ALIASES.get(path, path).partition(".")
        value = values.moment(text, zone) if path == "consent.capturedAt" else _READERS.get(path, str)(text)
        if name:
            data.setdefault(section, {})[name] = value
        else:
            data[section] = value
    return data


def column_of(path: str, mapping: Mapping[str, str]) -> str:
    """The header of the column that a fault at `path` is about; `path` itself when no column is."""
    headers = {target: header for header, target in reversed(list(mapping.items()))}
    place = path
    while place:
        for target in (place, _INSTEAD.get(place, place)):
            if target in headers:
                return headers[target]
        place = place.rpartition(".")[0]
    return path
