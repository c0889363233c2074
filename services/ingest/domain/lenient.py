"""Make a capture despite faults: an optional value never costs the lead.

A value that can't be used goes to the context under its column's name, with a warning. Pure.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from schemas.attributes import NO_ATTRIBUTES, Attributes
from schemas.base import TEXT_MAX, WORD_MAX, Model
from schemas.captures import CapturedCompany, CapturedConsent, CapturedContact, LeadCaptured
from schemas.lead import CompanySize, Requirements
from services.ingest.domain.capture_events import DEPTH_MAX, Fault, faults_of, json_flaw_of
from services.ingest.domain.draft import DOUBTED, KEPT, CellOrigins, Draft, Notice, entry_of
from services.ingest.domain.fitting import put_entry
from services.ingest.domain.values.contacts import company_from, email_in, phone_in
from services.ingest.domain.values.vocabulary import is_nothing, size_of, source_of
from shared.domain.identity.normal_forms import NOT_GIVEN
from shared.domain.identity.placeholders import NO_PLACEHOLDERS, Placeholders

WHOLE = "(line)"
NO_NAME = "has no name: neither a person's nor a company's"
NO_ADDRESS = "has no e-mail address and no phone number"
DERIVED = "is missing: the domain of the e-mail address is used instead"
_ROUNDS = 4
NAMES = ("contact.firstName", "contact.lastName", "company.name")
"""The paths of names; a line needs at least one."""
_TEXTS = ("company.website", "requirements.timeline", "requirements.currentSolution", "consent.wording")
_SECTIONS: dict[str, type[Model]] = {
    "company": CapturedCompany,
    "contact": CapturedContact,
    "requirements": Requirements,
    "consent": CapturedConsent,
}
_FIELDS: Mapping[str, Collection[str | None]] = {
    name: {field.alias for field in model.model_fields.values()} for name, model in _SECTIONS.items()
}
_REASONS = {
    "company.size": "is not a readable company size",
    "company.annualRevenue": "is not a readable amount",
    "requirements.budget": "is not a readable amount",
    "consent.email": "is neither yes nor no, and counts as no answer",
    "consent.phone": "is neither yes nor no, and counts as no answer",
    DOUBTED: "may belong to another column, and counts as no answer",
    "consent.capturedAt": "is not a readable date and time",
    "time": "is not a readable date and time",
    "id": "can't be an id",
    "contact.email": "is not an e-mail address",
    "contact.phone": "is not a possible phone number",
}
_ROUNDED = (
    "is not a possible phone number: a spreadsheet rounded it. Format the column as text there, and export it again"
)
_NOT_WHOLE = re.compile(r"\d[.,]\d+E\+?\d{1,2}", re.IGNORECASE)
NOBODY = "is a placeholder, and counts as missing"
_SPARE_WARNED = frozenset({"consent.email", "consent.phone", DOUBTED, "time"})
_ADDRESSES = ("contact.email", "contact.phone")
_WORDS = {
    "String should have at most": "is too long",
    "Tuple should have at most": "has too many entries",
    "Input should be a valid string": "is not a text",
    "Input should be a valid tuple": "is not a list",
}
_M = TypeVar("_M", bound=BaseModel)
_Reader = Callable[[str], tuple[str, str] | None]


def try_validate(
    model: type[_M], data: Mapping[str, object], region: str, attributes: Attributes = NO_ATTRIBUTES
) -> _M | list[Fault]:
    """Return the model's instance, or all faults of the data."""
    try:
        return model.model_validate(data, context={"region": region, "attributes": attributes})
    except ValidationError as error:
        return faults_of(error)


@dataclass(frozen=True, slots=True)
class LenientResult:
    """A capture or its faults, the warnings, and whether its source is the default."""

    capture: LeadCaptured | tuple[Fault, ...]
    warnings: tuple[Notice, ...]
    defaulted: bool


def capture_from(  # noqa: PLR0913 - what holds for a line, each by name
    values: Mapping[str, object],
    origin: CellOrigins,
    *,
    region: str,
    source: str,
    sources: Collection[str] | None = None,
    placeholders: Placeholders = NO_PLACEHOLDERS,
    attributes: Attributes = NO_ATTRIBUTES,
) -> LenientResult:
    """Return the capture made of these values, with what had to be left out.

    `source` applies where the line states no readable source, or one that is not in `sources`. An `id` or `time` in
    `values` is one that can't be used.
    """
    draft = Draft.of(values, origin)
    for name in ("id", "time"):
        _leave_out_attribute(draft, name)
    _leave_out_unstorable(draft, {**_FIELDS, "attributes": attributes.by_name.keys()})
    _leave_out_nothing(draft)
    _read_source(draft, source, sources)
    _read_size(draft)
    _leave_out_unclear_consent(draft)
    capture: LeadCaptured | tuple[Fault, ...] = (Fault(WHOLE, NO_NAME),)
    if _name(draft):
        _cut_texts(draft)
        _read_addresses(draft, region)
        unusable = _leave_out_placeholders(draft, region, placeholders)
        capture = _settle(draft, region, attributes, unusable)
    return LenientResult(capture, tuple(draft.warnings), draft.defaulted)


def _leave_out_attribute(draft: Draft, name: str) -> None:
    value = draft.get(name)
    if value is None or (isinstance(value, str) and is_nothing(value)):
        draft.drop(name)
    else:
        draft.give_up(name, _REASONS[name])


def _leave_out_unstorable(draft: Draft, fields: Mapping[str, Collection[str | None]]) -> None:
    """Remove values that can't be stored; move sections of the wrong type to the context.

    `fields` are the known names of each section.
    """
    for name in [name for name in fields if draft.data.get(name) is not None]:
        part = draft.data[name]
        if not isinstance(part, dict):
            draft.put_aside(name, part, "is not an object")
            continue
        known = {key: value for key, value in part.items() if key in fields[name]}
        draft.data[name] = known
        for key in [key for key, value in known.items() if json_flaw_of(value, DEPTH_MAX - 2)]:
            draft.put_aside(f"{name}.{key}", part[key], "can't be stored")
    for key in [key for key, value in draft.context.items() if json_flaw_of(key) or json_flaw_of(value, DEPTH_MAX - 2)]:
        draft.context = {name: value for name, value in draft.context.items() if name != key}
        draft.warn("context", "has a part that can't be stored; left out")


def _leave_out_nothing(draft: Draft) -> None:
    """Treat words for nothing as blank."""
    for section in (*_SECTIONS, "attributes"):
        part = draft.data.get(section)
        draft.data[section] = {
            name: value
            for name, value in (part.items() if isinstance(part, dict) else ())
            if value is not None and not (isinstance(value, str) and is_nothing(value, f"{section}.{name}"))
        }
    source = draft.get("source")
    if source is None or (isinstance(source, str) and is_nothing(source)):
        draft.drop("source")


def _read_source(draft: Draft, fallback: str, allowed: Collection[str] | None) -> None:
    named = draft.get("source")
    read = source_of(named) if isinstance(named, str) else None
    if named is not None and read is None:
        draft.give_up("source", f"is not a known source: read as {fallback}")
    elif read is not None and allowed is not None and read not in allowed:
        draft.give_up("source", f"is not a source of this key: read as {fallback}")
        read = None
    draft.defaulted = read is None
    draft.set("source", read or fallback)


def _read_size(draft: Draft) -> None:
    size = draft.get("company.size")
    if size is None or size in list(CompanySize):
        return
    read = size_of(str(size)) if isinstance(size, str | int) and not isinstance(size, bool) else None
    if read is None:
        draft.give_up("company.size", _REASONS["company.size"])
    else:
        draft.set("company.size", read.value)


def _leave_out_unclear_consent(draft: Draft) -> None:
    """Remove consent that is still text: the schema would read a `t` as a yes."""
    for path in ("consent.email", "consent.phone"):
        if isinstance(draft.get(path), str):
            draft.give_up(path, _REASONS[path])


def _name(draft: Draft) -> bool:
    """Fill in missing names; return False if there is no name at all."""
    for path in NAMES:
        value = draft.get(path)
        if value is not None and not isinstance(value, str):
            draft.give_up(path, "is not a text")
        elif value is not None and len(value.strip()) > WORD_MAX:
            draft.cut(path, value.strip(), WORD_MAX)
    missing = [path for path in NAMES if draft.get(path) is None]
    draft.derived = "company.name" in missing
    for path in missing:
        draft.set(path, NOT_GIVEN)
    return len(missing) < len(NAMES)


def _cut_texts(draft: Draft) -> None:
    for path in _TEXTS:
        value = draft.get(path)
        if isinstance(value, str) and len(value.strip()) > TEXT_MAX:
            draft.cut(path, value.strip(), TEXT_MAX)


def _read_addresses(draft: Draft, region: str) -> None:
    """Take the first address and number of each cell, without what copying and tools add."""
    for path in _ADDRESSES:
        value = draft.get(path)
        found = _reader(path, region)(value) if isinstance(value, str) else None
        if found:
            _take(draft, path, found)


def _take(draft: Draft, path: str, found: tuple[str, str]) -> None:
    draft.set(path, found[0])
    if found[1]:
        put_entry(draft.context, entry_of(draft.origin.place(path)), found[1])
        draft.warn(path, f"has more than one: the first is used, the rest is {KEPT}")


def _leave_out_placeholders(draft: Draft, region: str, known: Placeholders) -> list[Fault]:
    """Remove placeholder addresses and numbers; return those that no other column replaces."""
    lost = []
    for path in _ADDRESSES:
        value = draft.get(path)
        field = path.removeprefix("contact.")
        if not isinstance(value, str) or not known.identifies_nobody(**{field: value}, region=region):
            continue
        draft.give_up(path, NOBODY)
        found = _from_spare(draft, path, _reader(path, region))
        if found and not known.identifies_nobody(**{field: found[0]}, region=region):
            _take(draft, path, found)
        else:
            lost.append(Fault(draft.origin.place(path), NOBODY))
    return lost


def _settle(
    draft: Draft, region: str, attributes: Attributes, unusable: list[Fault]
) -> LeadCaptured | tuple[Fault, ...]:
    """Remove values that the schema rejects, one by one, until it accepts the rest."""
    for _ in range(_ROUNDS):
        wire, cut = draft.wire()
        found = try_validate(LeadCaptured, wire, region, attributes)
        if isinstance(found, LeadCaptured):
            return _finished(draft, found, cut)
        faults: dict[str, str] = {}
        for fault in found:
            faults.setdefault(".".join(fault.path.split(".")[:2]), fault.message)
        if "contact" in faults:
            break
        for path, message in faults.items():
            unusable += _fix(draft, path, message, region)
    return tuple(unusable) or (Fault(WHOLE, NO_ADDRESS),)


def _fix(draft: Draft, path: str, message: str, region: str) -> list[Fault]:
    """Fix or remove what the schema rejects; return the faults of addresses and numbers lost."""
    if path not in _ADDRESSES:
        draft.give_up(path, _REASONS.get(path) or _in_words(message))
        return []
    why = _ROUNDED if _NOT_WHOLE.fullmatch(str(draft.origin.raw(path) or "")) else _REASONS[path]
    draft.give_up(path, why)
    found = _from_spare(draft, path, _reader(path, region))
    if found is None:
        return [Fault(draft.origin.place(path), why)]
    _take(draft, path, found)
    return []


def _from_spare(draft: Draft, path: str, read: _Reader) -> tuple[str, str] | None:
    for one in [one for one in draft.spare if one[1] == path]:
        found = read(one[2])
        if found:
            draft.spare.remove(one)
            return found
    return None


def _finished(draft: Draft, capture: LeadCaptured, cut: Iterable[str]) -> LeadCaptured:
    for name in cut:
        column = draft.origin.place(f"context.{name}")
        note = "is more than the context can keep, and was cut"
        draft.warnings.append(Notice(column.removeprefix("context."), note))
    draft.warnings += [
        Notice(column, _REASONS[path], unread=True) for column, path, _ in draft.spare if path in _SPARE_WARNED
    ]
    company = company_from(capture.contact.email, capture.company.website) if draft.derived else None
    if company is None:
        return capture
    draft.warn("company.name", DERIVED)
    return capture.model_copy(update={"company": capture.company.model_copy(update={"name": company[:WORD_MAX]})})


def _reader(path: str, region: str) -> _Reader:
    return email_in if path == "contact.email" else lambda text: phone_in(text, region)


def _in_words(message: str) -> str:
    """Return the schema's complaint as the end of a sentence about the field."""
    text = next((words for start, words in _WORDS.items() if message.startswith(start)), message)
    return text[:1].lower() + text[1:]
