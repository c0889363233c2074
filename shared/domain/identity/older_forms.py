"""The normal forms of older releases, to find what they stored.

An older form can't be derived from today's form. These functions compute it from the text, as the older release did.
"""

import re
from collections.abc import Mapping

import idna
import phonenumbers

from shared.domain.identity.normal_forms import (
    Identity,
    company_words,
    email_key,
    is_given,
    part_of,
    search_form,
    text_of,
)

OTHER_EMAIL = r"[^ -~]|xn--"
OTHER_NAME = r"[^ -~]|[&`]|\b[aA][nN][dD]\b"
OTHER_PHONE = r"[^ -~]|^[ (]*0|0[\s().-]*0"
"""Regular expressions, also for MongoDB, of texts whose older form may differ."""

_other_name, _other_phone = re.compile(OTHER_NAME).search, re.compile(OTHER_PHONE).search


def older_emails(email: str | None) -> tuple[str, ...]:
    """Return the older forms of this address that differ from today's."""
    today, then = email_key(email), (email or "").strip().casefold()
    if today is None or (today.isascii() and today == then):
        return ()
    name, at, domain = today.rpartition("@")
    punycode = name + at + ".".join(map(_in_punycode, domain.split(".")))
    return tuple(dict.fromkeys(one for one in (then, punycode) if one not in ("", today)))


def older_names(name: str) -> tuple[str, ...]:
    """Return the older names of today's `name` (`email:ADDRESS`, …) that differ from it."""
    kind, _, value = name.partition(":")
    return tuple(f"email:{form}" for form in older_emails(value)) if kind == "email" else ()


def _in_punycode(label: str) -> str:
    try:
        return label if label.isascii() else idna.encode(label).decode()
    except idna.IDNAError:
        return label


def older_claims(identity: Identity, lead: Mapping[str, object], region: str) -> dict[str, str]:
    """Map each older claim of a lead or capture to today's claim."""
    found: dict[str, str] = {}
    if identity.email_claim:
        email = text_of(part_of(lead, "contact"), "email")
        found |= {f"email:{form}": identity.email_claim for form in older_emails(email)}
    if identity.person_claim:
        before = _person(lead, region, identity.phone)
        found |= {before: identity.person_claim} if before and before != identity.person_claim else {}
    return found


def _person(lead: Mapping[str, object], region: str, today: str | None) -> str | None:
    """Return the older claim of phone + company + name; None if it is today's. `today`: the phone in today's form."""
    contact, company = part_of(lead, "contact"), part_of(lead, "company")
    texts = (text_of(company, "name"), text_of(contact, "firstName"), text_of(contact, "lastName"))
    phone = text_of(contact, "phone") or ""
    if not _may_differ(phone, *texts):
        return None
    names = (_company(texts[0]), _name(texts[1]), _name(texts[2]))
    complete = (names[0], names[1], names[2]) if names[0] and names[1] and names[2] else None
    return Identity(None, _phone(phone, region) if _other_phone(phone) else today, complete).person_claim


def _may_differ(phone: str, *names: str | None) -> bool:
    return bool(_other_phone(phone)) or any(_other_name(name) for name in names if name)


def _phone(phone: str, region: str) -> str | None:
    try:
        parsed = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _company(name: str | None) -> str | None:
    return company_words(search_form(name).replace("\u2019", "'")) if name and is_given(name) else None


def _name(name: str | None) -> str | None:
    return " ".join(search_form(name or "").split()) or None
