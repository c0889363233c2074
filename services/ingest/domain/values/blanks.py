"""Read single cells as people type them; what is unclear stays, and the schema rejects it."""

import re
from collections.abc import Iterable

from shared.domain.identity.normal_forms import search_form as without_accents

_PARTICLES = frozenset("bin da de del della der di dos du ibn la van von".split())
_TITLES_AFTER = frozenset("jr sr ii iii iv md phd cec cpa mba esq".split())


def spelling_key(text: str) -> str:
    """Return `text` without case, accents, spaces and punctuation, to compare spellings."""
    return re.sub(r"[\W_]+", "", without_accents(text))


def split_list(text: str) -> list[str]:
    """Return the entries of a list separated by `;`, `|` or line breaks."""
    return [entry for entry in map(str.strip, re.split(r"[;|\r\n]", text)) if entry]


def match_choice(text: str, choices: Iterable[str]) -> str:
    """Return the one of `choices` that `text` spells: "Trade Show" is "trade_show"."""
    wanted = spelling_key(text)
    return next((one for one in choices if spelling_key(one) == wanted), text)


def split_name(full: str) -> tuple[str, str]:
    """Split "Reyes, Ana" or "Ludwig van Beethoven" into first and last name.

    A lone word is the first name.
    """
    last, comma, first = (part.strip() for part in full.partition(","))
    if comma and not set(map(spelling_key, first.replace(",", " ").split())) <= _TITLES_AFTER:
        return first, last
    parts = full.replace(",", " ").split()
    end = len(parts) - 1
    while end > 1 and spelling_key(parts[end]) in _TITLES_AFTER:
        end -= 1
    starts = (at for at in range(1, end) if parts[at] in _PARTICLES)
    at = max(1, next(starts, end))
    return " ".join(parts[:at]), " ".join(parts[at:])
