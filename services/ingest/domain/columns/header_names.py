"""The column names of common files, from the data file beside this module."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from services.ingest.domain.columns.header_text import header_key, one_letter_shorter

FILE = Path(__file__).with_name("headers.yaml")
LANGUAGES = ("English", "German", "French", "Spanish", "Portuguese", "Italian", "Dutch")
SLIP_LETTERS = 7
"""The fewest letters of a name whose typos are accepted: "State" is no typo of "Stage"."""
# A typo in one of these could read "no" as "yes", or two scans as one.
_TO_THE_LETTER = re.compile(r"(id|time|date|consent|context)\b")
_SECTIONS: Mapping[str, Mapping[str, bool]] = {
    "names": {},
    "only_alone": {"only_alone": True},
    "yes_means_no": {"negated": True},
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column of a given name holds. Of two columns of one path, the lower `rank` wins."""

    path: str
    rank: int = 0
    negated: bool = False
    only_alone: bool = False
    """The column has this path only if no other column does."""
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class KnownHeaders:
    """All known names by key; `slips` maps each key with one letter missing to names."""

    meanings: Mapping[str, Meaning]
    elsewhere: frozenset[str]
    slips: Mapping[str, frozenset[str]]


@cache
def known_headers() -> KnownHeaders:
    """Return the known names; the first call reads the data file."""
    # Both loaders are safe. The one in C, where it is available, takes a tenth of the time.
    data = yaml.load(FILE.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    meanings: dict[str, Meaning] = {}
    for section, flags in _SECTIONS.items():
        for path, by_source in data[section].items():
            for rank, name in enumerate(_keys(by_source, path if section == "names" else None)):
                meanings.setdefault(name, Meaning(path, rank, **flags))
    elsewhere = frozenset(header_key(one) for listed in data["mean_something_else"].values() for one in listed)
    return KnownHeaders(meanings, elsewhere, _slips(meanings))


def _keys(by_source: Mapping[str, Sequence[str]], path: str | None) -> Iterator[str]:
    if path:
        yield header_key(path)
    for listed in by_source.values():
        yield from map(header_key, listed)


def _slips(meanings: Mapping[str, Meaning]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, meaning in meanings.items():
        exact = meaning.negated or meaning.only_alone or _TO_THE_LETTER.match(meaning.path)
        if not exact and len(name) >= SLIP_LETTERS:
            for form in one_letter_shorter(name):
                found.setdefault(form, set()).add(name)
    return {form: frozenset(of) for form, of in found.items()}
