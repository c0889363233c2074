"""A few people, in the spellings of their captures; the test knows who is who."""

from dataclasses import dataclass
from typing import Any

EMAILS = {
    "ana": ("ana@example.com", "ANA@Example.com"),
    "ana.work": ("a.reyes@fork.example.com", "A.Reyes@Fork.example.com"),
    "bo": ("bo@example.com", "Bo@EXAMPLE.com"),
    "bo.work": ("b.lund@gulf.example.com", "B.LUND@gulf.example.com"),
}
PHONES = {
    "one": ("+1 415 555 2671", "(415) 555-2671"),
    "two": ("+1 213 373 4253", "213.373.4253"),
}
COMPANIES = {
    "fork": ("Blue Fork", "BLUE FORK, Inc."),
    "gulf": ("Gulf Catering", "gulf catering l.l.c."),
}
NAMES = {
    "Ana": (("Ana", "Reyes"), ("ANA", "Réyes")),
    "Bo": (("Bo", "Lund"), ("bo", "LUND")),
}

CARDS = (
    ("ana", None, "fork", "Ana"),
    ("ana", "one", "fork", "Ana"),
    (None, "one", "fork", "Ana"),
    ("ana.work", "one", "fork", "Ana"),
    ("ana.work", None, "gulf", "Ana"),
    ("bo", "one", "fork", "Bo"),
    ("bo", "two", "gulf", "Bo"),
    ("bo.work", "two", "gulf", "Bo"),
    (None, "two", "gulf", "Bo"),
    ("ana", "two", "gulf", "Bo"),
)
"""E-mail, phone, company and name as people state them: shared, missing, or another's."""

_KNOWN = {
    spelled: key
    for table in (EMAILS, PHONES, COMPANIES, NAMES)
    for key, spellings in table.items()
    for spelled in spellings
}


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifiers of a capture or lead; None: not stated."""

    email: str | None
    phone: str | None
    worker: tuple[str, str]
    """Company and name."""

    @property
    def person(self) -> tuple[str, str, str] | None:
        """Return phone, company and name, if all are given."""
        return (self.phone, *self.worker) if self.phone else None


def identity(data: dict[str, Any]) -> Identity:
    """Return the identity of a capture's wire form or of a lead document."""
    contact, company = data["contact"], data["company"]
    name = _KNOWN[contact["firstName"], contact["lastName"]]
    email, phone = contact.get("email"), contact.get("phone")
    return Identity(who(email) if email else None, _KNOWN[phone] if phone else None, (_KNOWN[company["name"]], name))


def who(email: str) -> str:
    """Return the person with this address."""
    return _KNOWN[email]


def card(number: int, spelling: int) -> dict[str, Any]:
    """Return a capture's company and contact, in one of two spellings."""
    email, phone, company, name = CARDS[number]
    first, last = NAMES[name][spelling]
    contact = {"firstName": first, "lastName": last}
    contact |= {"email": EMAILS[email][spelling]} if email else {}
    contact |= {"phone": PHONES[phone][spelling]} if phone else {}
    return {"company": {"name": COMPANIES[company][spelling]}, "contact": contact}
