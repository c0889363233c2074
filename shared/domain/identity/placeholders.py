"""Placeholders: addresses and phone numbers that people type when they have none.

A configuration file lists them. Identity (schemas/README.md#identity) treats them as missing.
"""

from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.domain.identity.normal_forms import email_key, phone_key

_ENTRIES_MAX = 5_000


def _address(text: str) -> str:
    name, at, domain = text.rpartition("@")
    if not (at and domain) or "@" in name or any(map(str.isspace, text)):
        raise ValueError("must be a whole address (noemail@noemail.com) or a whole domain (@noemail.com)")
    return text


def _number(text: str) -> str:
    if sum(map(str.isdecimal, text)) < _DIGITS_MIN:
        raise ValueError(f"must be a whole phone number, of at least {_DIGITS_MIN} digits; quote it in YAML")
    return text


_DIGITS_MIN = 5
_Entry = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=320)]


class Placeholders(BaseModel):
    """Values that count as missing: addresses, domains (`@domain`), phone numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    emails: tuple[Annotated[_Entry, AfterValidator(_address)], ...] = Field((), max_length=_ENTRIES_MAX)
    phones: tuple[Annotated[_Entry, AfterValidator(_number)], ...] = Field((), max_length=_ENTRIES_MAX)

    def identifies_nobody(self, *, email: str | None = None, phone: str | None = None, region: str = "US") -> bool:
        """Return whether any of the given values is listed; each may be in any form.

        A number without a country code, listed or given, is read in `region`.
        """
        return self._lists_email(email) or self._lists_phone(phone, region)

    def _lists_email(self, email: str | None) -> bool:
        address = email_key(email)
        return address is not None and not self._addresses.isdisjoint((address, "@" + address.rpartition("@")[2]))

    def _lists_phone(self, phone: str | None, region: str) -> bool:
        digits = _digits(phone or "")
        # Most numbers are not listed: the last digits say so without parsing.
        if not digits or digits[-_DIGITS_MIN:] not in self._endings:
            return False
        number = phone_key(phone, region)
        return any(number == phone_key(one, region) if number else digits == _digits(one) for one in self.phones)

    @cached_property
    def _addresses(self) -> frozenset[str]:
        return frozenset(filter(None, map(email_key, self.emails)))

    @cached_property
    def _endings(self) -> frozenset[str]:
        return frozenset(_digits(one)[-_DIGITS_MIN:] for one in self.phones)


def _digits(text: str) -> str:
    if text.isascii():
        return "".join(filter(str.isdecimal, text))
    return "".join(str(int(char)) for char in text if char.isdecimal())


NO_PLACEHOLDERS = Placeholders()
"""An empty list."""
