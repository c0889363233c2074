"""Parses phone numbers as people write them (schemas/README.md#identity)."""

import re
import unicodedata

import phonenumbers

_INTERNATIONAL = re.compile(r"[\s().-]*0[\s().-]*0[\s().-]*(?=[1-9])")


def parse_phone(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Return the phone number in `text`, or None. Without a country code, it is in `region`.

    `00` equals `+`, unless the number is possible with the region's own reading of `00`.
    """
    plain = text if text.isascii() else _without_format_characters(text)
    number = _parse(plain, region)
    international = _INTERNATIONAL.match(plain)
    if international is None or (number is not None and phonenumbers.is_possible_number(number)):
        return number
    other = _parse("+" + plain[international.end() :], region)
    return other if other is not None and phonenumbers.is_possible_number(other) else number


def _without_format_characters(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text)
    return "".join(char for char in compatible if unicodedata.category(char) != "Cf")


def _parse(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
