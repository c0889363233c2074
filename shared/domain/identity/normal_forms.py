"""Identity (schemas/README.md#identity): normal forms of identifiers, and claims.

One function per kind of value. All use the table of equal signs in `folding`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import idna
import phonenumbers

from schemas.phones import PHONES_KEPT, SHORT, parse_phone
from shared.domain.identity.folding import compatible, folded, normalized, unaccented
from shared.domain.ids import derive

EMAIL_POINTS = 100
PHONE_POINTS = 50
COMPANY_NAME_POINTS = 75
DUPLICATE_ABOVE = 80

NOT_GIVEN = "(not given)"
"""Imports write this for a missing required name. It counts as missing: a merge fills it."""

_LEGAL_SUFFIXES = frozenset(
    "ab ag aps as asa bv co company corp corporation gmbh inc incorporated kg limited llc llp lp ltd nv oy plc pllc"
    " pty sa sarl sas sl spa srl".split()
)
_BETWEEN = frozenset({"and"})
"""Words between legal suffixes, as in GmbH & Co. KG."""
_NOT_WORD = re.compile(r"[^\w]+")
_PUNYCODE = "xn--"


def email_key(email: str | None) -> str | None:
    """Return the e-mail trimmed, without case and compatibility forms; None: no e-mail.

    Decodes a domain in punycode, so that both spellings are equal.
    """
    text = compatible(email or "").strip()
    if text.isascii() and _PUNYCODE not in text:
        return text or None
    name, at, domain = text.rpartition("@")
    labels = domain.replace("\u3002", ".").split(".")
    return name + at + ".".join(map(_label, labels))


def _label(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    try:
        return compatible(idna.decode(label))
    except idna.IDNAError:
        return label


def phone_key(phone: str | None, region: str) -> str | None:
    """Return the phone number as E.164, or None. `region`: of numbers without country code."""
    if phone is None or not phone.strip():
        return None
    return _kept_phone(phone, region) if len(phone) <= SHORT else _phone(phone, region)


def _phone(phone: str, region: str) -> str | None:
    number = parse_phone(phone, region)
    return None if number is None else _e164(number, region)


_kept_phone = lru_cache(PHONES_KEPT)(_phone)


def _e164(number: phonenumbers.PhoneNumber, region: str) -> str:
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # Parsing removes one trunk zero; people may type several.
    again = parse_phone(text, region) if number.italian_leading_zero else None
    return text if again is None or again == number else _e164(again, region)


def search_form(text: str) -> str:
    """Return `text` without case and accents, for searches and headers, not for identity."""
    return unaccented(normalized("NFKD", text.casefold()))


def company_key(name: str | None) -> str | None:
    """Return the company's name `folded`, without punctuation and trailing legal suffixes.

    A name of suffixes only keeps them, as "Inc." does.
    """
    text = folded(name or "")
    return company_words(text, _BETWEEN) if is_given(text) else None


def company_words(text: str, between: Collection[str] = ()) -> str | None:
    """Return a folded name without punctuation and trailing legal suffixes, or None.

    `between` are words that are removed with the suffix behind them.
    """
    text = re.sub(r"(?<=\w)\.(?=\w\b)|'", "", text)
    words = [word for word in _NOT_WORD.sub(" ", text).split() if word]
    kept = list(words)
    while kept and (kept[-1] in _LEGAL_SUFFIXES or (kept[-1] in between and len(kept) < len(words))):
        kept.pop()
    return " ".join(kept or words) or None


def name_key(name: str | None) -> str | None:
    """Return a person's name `folded`, with single spaces; None if it is missing."""
    text = " ".join(folded(name or "").split())
    return text or None if is_given(text) else None


def is_given(value: object) -> bool:
    """Return whether `value` is given: None and `NOT_GIVEN` are missing."""
    return value is not None and not (isinstance(value, str) and value.strip().casefold() == NOT_GIVEN)


def given_only(part: Mapping[str, object] | None) -> dict[str, Any]:  # each field keeps its type
    """Return the given fields of a lead's `company` or `contact`, for messages."""
    return {name: value for name, value in (part or {}).items() if is_given(value)}


@dataclass(frozen=True)
class Identity:
    """The normal forms of one capture or lead. None is a missing value, which never matches."""

    email: str | None
    phone: str | None
    company_name: tuple[str, str, str] | None

    @property
    def email_claim(self) -> str | None:
        """The id of the e-mail's claim, or None."""
        return f"email:{self.email}" if self.email else None

    @cached_property
    def person_claim(self) -> str | None:
        """The id of the claim of phone + company + name, or None.

        Phone alone has 50 points, company + name alone 75. Only together do they exceed a duplicate's 80.
        It is kept: a decision asks for it many times, and its hash is the dearest part.
        """
        if not (self.phone and self.company_name):
            return None
        return f"pcn:{derive(self.phone, *self.company_name)}"

    @property
    def claims(self) -> tuple[str, ...]:
        """All claims, the person's first: two different e-mails can compete for it."""
        return tuple(claim for claim in (self.person_claim, self.email_claim) if claim)


def part_of(lead: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a part of a lead document, or of a capture in wire form; empty if it is missing."""
    part = lead.get(name)
    return part if isinstance(part, Mapping) else {}


def text_of(part: Mapping[str, object], name: str) -> str | None:
    """Return a text of such a part; None if it is missing."""
    text = part.get(name)
    return text if isinstance(text, str) else None


def identity_of(lead: Mapping[str, object], region: str) -> Identity:
    """Return the identity of a lead document, or of a capture in wire form (camelCase)."""
    contact, company = part_of(lead, "contact"), part_of(lead, "company")
    names = (
        company_key(text_of(company, "name")),
        name_key(text_of(contact, "firstName")),
        name_key(text_of(contact, "lastName")),
    )
    complete = (names[0], names[1], names[2]) if names[0] and names[1] and names[2] else None
    return Identity(email_key(text_of(contact, "email")), phone_key(text_of(contact, "phone"), region), complete)


@dataclass(frozen=True, slots=True)
class Match:
    """The match of a capture with a lead: points (0…225), and the values of `matchedOn`."""

    score: int
    matched_on: tuple[str, ...]

    @property
    def duplicate(self) -> bool:
        """Whether the points mean the same person."""
        return self.score > DUPLICATE_ABOVE


def compare(capture: Identity, lead: Identity, *, known_email: bool = False, known_person: bool = False) -> Match:
    """Return the match of `capture` with `lead`.

    `known_email` and `known_person`: an earlier capture of the lead had this e-mail, or this phone + company + name,
    though the lead shows another. A merge keeps the existing lead's values.
    """
    points = {
        "email": EMAIL_POINTS * (known_email or (capture.email is not None and capture.email == lead.email)),
        "phone": PHONE_POINTS * (known_person or (capture.phone is not None and capture.phone == lead.phone)),
        "company_name": COMPANY_NAME_POINTS
        * (known_person or (capture.company_name is not None and capture.company_name == lead.company_name)),
    }
    return Match(sum(points.values()), tuple(word for word, value in points.items() if value))
