"""Read the e-mail addresses, phone numbers and companies in contact cells. Pure."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import islice

from schemas.captures import is_email, is_phone
from services.ingest.domain.values.free_mail import is_free_mail

# Checking an address takes time, and a cell may contain anything.
_TRIED = 5
_LONGEST = 2_000
_BETWEEN_ADDRESSES = re.compile(r"[\s;,|<>()\[\]\"]+")
_BETWEEN_NUMBERS = re.compile(r"[;,|/\r\n\t]|:::|\b(?:or|oder|ou|o)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?:[^\W\d]{1,15}\.?:)?\s*'?\s*(.*?)(?:\s*\([^\d()]*\)|(?<=\d{7})\.0+)?", re.DOTALL)
_NUMBER_MAX = 80
_AROUND = " .:;,!?'`*"


def email_in(text: str) -> tuple[str, str] | None:
    """Return the first usable address in `text`, and the others, separated by `; `."""
    tokens = (_peeled(token) for token in _BETWEEN_ADDRESSES.split(text[:_LONGEST]) if "@" in token)
    return _first(list(islice(tokens, _TRIED)), is_email)


def phone_in(text: str, region: str) -> tuple[str, str] | None:
    """Return the first usable number in `text`, and the remaining text, separated by `; `."""
    parts = map(_bare, _BETWEEN_NUMBERS.split(text[:_LONGEST]))
    return _first(list(islice(filter(None, parts), _TRIED)), lambda part: is_phone(part, region))


def _bare(number: str) -> str:
    """Return the number without label (`tel:`, `(cell)`), guard, or a spreadsheet's `.0`."""
    # Full-width digits and signs dial like plain ones.
    number = unicodedata.normalize("NFKC", number).strip()
    found = _NUMBER.fullmatch(number) if len(number) <= _NUMBER_MAX else None
    return found[1] if found else number


def _peeled(token: str) -> str:
    token = token.strip(_AROUND)
    return token[7:].strip(_AROUND) if token.casefold().startswith("mailto:") else token


def _first(parts: Iterable[str], usable: Callable[[str], bool]) -> tuple[str, str] | None:
    rest = list(dict.fromkeys(parts))
    found = next(filter(usable, rest), None)
    return None if found is None else (found, "; ".join(part for part in rest if part != found))


def company_from(email: str | None, website: str | None) -> str | None:
    """Return the address's domain to replace a missing company, unless it is free mail."""
    domain = (email or "").rpartition("@")[2].casefold()
    if domain and not is_free_mail(domain):
        return domain
    host = re.sub(r"^[a-z]*://|^//", "", (website or "").strip().casefold())
    host = re.split(r"[/?#:\s]", host, maxsplit=1)[0].removeprefix("www.")
    return host if "." in host.strip(".") else None
