"""The names and words of exports of the past, from the data file beside this module. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from schemas.lead import ActivityType, Status
from services.ingest.domain.columns.header_text import clean_header, header_key
from services.ingest.domain.values.blanks import spelling_key

FILE = Path(__file__).with_name("words.yaml")


@dataclass(frozen=True, slots=True)
class PastWords:
    """The paths of columns by name, in both kinds of files, and statuses and kinds of activities by word."""

    leads: Mapping[str, Sequence[str]]
    activities: Mapping[str, Sequence[str]]
    statuses: Mapping[str, Status]
    types: Mapping[str, ActivityType]


@cache
def past_words() -> PastWords:
    """Return the known names and words; the first call reads the data file."""
    data = yaml.safe_load(FILE.read_bytes())
    return PastWords(
        _names(data["leads"]),
        _names(data["activities"]),
        {key: Status(status) for status, words in data["statuses"].items() for key in map(spelling_key, words)},
        {key: ActivityType(kind) for kind, words in data["types"].items() for key in map(spelling_key, words)},
    )


def _names(section: Mapping[str, Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    return {
        path: list(dict.fromkeys(header_key(name) for names in by_source.values() for name in names))
        for path, by_source in section.items()
    }


def columns_in(headers: Sequence[str], names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the column of each path that the headers have: of several the first one in the data file."""
    by_key: dict[str, str] = {}
    for header in headers:
        by_key.setdefault(header_key(clean_header(header)), header)
    found = {path: next((by_key[key] for key in keys if key in by_key), None) for path, keys in names.items()}
    return {path: header for path, header in found.items() if header is not None}
