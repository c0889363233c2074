"""Equal values (schemas/README.md#identity), written a second time without the product."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_SUFFIXES = {
    *("inc", "incorporated", "llc", "ltd", "limited", "co", "company", "corp", "corporation", "gmbh", "ag", "sa", "sl"),
    *("plc", "llp", "lp", "kg", "bv", "nv", "ab", "as", "oy", "srl", "spa", "sarl", "sas", "pty", "pllc", "aps", "asa"),
}
Person = tuple[str, str, str, str]


_SAME = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "\u0131": "i",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ß": "ss",
    "&": " and ",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2010": "-",
    "\u2011": "-",
    "\u2013": "-",
    "\u2014": "-",
}
"""Letters with a stroke, ligatures, signs: those that people type."""


def _shown(text: str) -> str:
    return "".join(one for one in text if unicodedata.category(one) != "Cf")


def email(text: Any) -> str | None:
    """Return the address case-folded, trimmed, in one compatibility form; None without one.

    The domain stays as typed.
    """
    found = unicodedata.normalize("NFKC", _shown(unicodedata.normalize("NFKC", str(text or "")).casefold())).strip()
    local, at, domain = found.rpartition("@")
    return local + at + ".".join(map(_label, domain.split("."))) or None


def _label(label: str) -> str:
    try:
        return label.encode().decode("idna").casefold() if label.startswith("xn--") else label
    except UnicodeError:
        return label


def phone(text: Any) -> str | None:
    """Return a number as E.164; None without one.

    The default region is the United States.
    """
    digits = "".join(str(int(one)) for one in str(text or "") if one.isdecimal())
    if not digits:
        return None
    if digits.startswith("00") and len(digits) > 11:
        return f"+{digits[2:]}"
    if str(text).strip().startswith("+"):
        return f"+{digits}"
    return f"+{digits}" if len(digits) == 11 and digits[0] == "1" else f"+1{digits}"


def plain(text: Any) -> str:
    """Return the words without case, accents, strokes and signs, one space apart."""
    parts = unicodedata.normalize("NFKD", _shown(str(text or "")).casefold())
    return " ".join("".join(_SAME.get(one, one) for one in parts if not unicodedata.combining(one)).split())


def company(text: Any) -> str:
    """Return the name without case, accents, punctuation and legal suffixes."""
    words = "".join(one if one.isalnum() else " " for one in plain(text).replace("'", "")).split()
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words.pop()
    return " ".join(words)


def person(lead: Mapping[str, Any]) -> Person | None:
    """Return phone, company and both names, which identify a person; None if one is missing."""
    contact, firm = lead.get("contact") or {}, lead.get("company") or {}
    parts = company(firm.get("name")), plain(contact.get("firstName")), plain(contact.get("lastName"))
    number = phone(contact.get("phone"))
    return (number, *parts) if number and all(parts) else None


def moment(value: Any) -> datetime | None:
    """Return a moment in UTC as exact as the database stores it; None if it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    there = value.astimezone(UTC)
    return there.replace(microsecond=there.microsecond // 1000 * 1000)


def empty(value: Any) -> bool:
    """Return whether a value is missing: zero and False are values."""
    return value is None or value in ("", [], {})
