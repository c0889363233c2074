"""When two captures mean the same person (contract 3, Identity): normal forms, and the keys a lead is known by."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers

from shared.domain.ids import derive

EMAIL_POINTS = 100
PHONE_POINTS = 50
COMPANY_NAME_POINTS = 75
DUPLICATE_ABOVE = 80

_LEGAL_SUFFIXES = frozenset(
    "ab ag aps as asa bv co company corp corporation gmbh inc incorporated kg limited llc llp lp ltd nv oy plc pllc"
    " pty sa sarl sas sl spa srl".split()
)
_NOT_WORD = re.compile(r"[^\w]+")


def email_key(email: str | None) -> str | None:
    """The e-mail case-folded and trimmed; None when there is none."""
    return (email or "").strip().casefold() or None


def phone_key(phone: str | None, region: str) -> str | None:
    """The phone number as E.164, numbers without a country code read as of `region`; None when there is none."""
    if phone is None or not phone.strip():
        return None
    try:
        parsed = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def plain(text: str) -> str:
    """`text` without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def company_key(name: str | None) -> str | None:
    """The company without case, accents, punctuation and trailing legal suffixes.

    A name that is nothing but suffixes keeps them: "The Company" and "Inc." are names too, however unwise.
    """
    text = re.sub(r"(?<=\w)\.(?=\w\b)|['’]", "", plain(name or ""))  # noqa: RUF001 - the typographic apostrophe is meant
    words = [word for word in _NOT_WORD.sub(" ", text).split() if word]
    kept = list(words)
    while kept and kept[-1] in _LEGAL_SUFFIXES:
        kept.pop()
    return " ".join(kept or words) or None


def name_key(name: str | None) -> str | None:
    """A person's name without case, accents and superfluous spaces."""
    return " ".join(plain(name or "").split()) or None


@dataclass(frozen=True, slots=True)
class Identity:
    """The normal forms of one capture or lead; None marks a missing value, which never matches."""

    email: str | None
    phone: str | None
    company_name: tuple[str, str, str] | None

    @property
    def email_claim(self) -> str | None:
        """The id under which this e-mail is claimed, or None."""
        return f"email:{self.email}" if self.email else None

    @property
    def person_claim(self) -> str | None:
        """The id under which phone + company + name are claimed together, or None.

        Phone alone (50) and company + name alone (75) stay below a duplicate's 80; only both together pass it.
        """
        if not (self.phone and self.company_name):
            return None
        return f"pcn:{derive(self.phone, *self.company_name)}"

    @property
    def claims(self) -> tuple[str, ...]:
        """All claims, the person's first: it is the one two different e-mails can contend for."""
        return tuple(claim for claim in (self.person_claim, self.email_claim) if claim)


def identity_of(lead: Mapping[str, Any], region: str) -> Identity:
    """The identity of a lead document or of a capture's wire form (camelCase)."""
    contact, company = lead.get("contact") or {}, lead.get("company") or {}
    names = (
        company_key(company.get("name")),
        name_key(contact.get("firstName")),
        name_key(contact.get("lastName")),
    )
    complete = (names[0], names[1], names[2]) if names[0] and names[1] and names[2] else None
    return Identity(email_key(contact.get("email")), phone_key(contact.get("phone"), region), complete)


@dataclass(frozen=True, slots=True)
class Match:
    """How well a capture fits a lead: points (0…225) and the words of `matchedOn`."""

    score: int
    matched_on: tuple[str, ...]

    @property
    def duplicate(self) -> bool:
        """Whether the points make both the same person."""
        return self.score > DUPLICATE_ABOVE


def compare(capture: Identity, lead: Identity, *, known_email: bool = False, known_person: bool = False) -> Match:
    """The match of `capture` with `lead`.

    `known_email` and `known_person` say that an earlier capture of that lead carried this e-mail, or this phone +
    company + name, though the lead document shows another (the existing lead keeps its values when merged).
    """
    points = {
        "email": EMAIL_POINTS * (known_email or (capture.email is not None and capture.email == lead.email)),
        "phone": PHONE_POINTS * (known_person or (capture.phone is not None and capture.phone == lead.phone)),
        "company_name": COMPANY_NAME_POINTS
        * (known_person or (capture.company_name is not None and capture.company_name == lead.company_name)),
    }
    return Match(sum(points.values()), tuple(word for word, value in points.items() if value))
