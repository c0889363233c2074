"""Parses phone numbers as people write them (schemas/README.md#identity)."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers

PHONES_KEPT = 2_048
"""Most phone numbers whose parts a process keeps: a batch asks several times for each."""
SHORT = 64
"""Most characters of a text that is kept: longer ones are no numbers, and would take memory."""

_INTERNATIONAL = re.compile(r"[\s().-]*0[\s().-]*0[\s().-]*(?=[1-9])")


def parse_phone(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Return the phone number in `text`, or None. Without a country code, it is in `region`.

    `00` equals `+`, unless the number is possible with the region's own reading of `00`. Callers share the number:
    they must not change it.
    """
    return _kept(text, region) if len(text) <= SHORT else _parse_text(text, region)


def _parse_text(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    plain = text if text.isascii() else _without_format_characters(text)
    number = _parse(plain, region)
    international = _INTERNATIONAL.match(plain)
    if international is None or (number is not None and phonenumbers.is_possible_number(number)):
        return number
    other = _parse("+" + plain[international.end() :], region)
    return other if other is not None and phonenumbers.is_possible_number(other) else number


_kept = lru_cache(PHONES_KEPT)(_parse_text)


def _without_format_characters(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text)
    return "".join(char for char in compatible if unicodedata.category(char) != "Cf")


def _parse(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
