"""The standing: which model counts. All is pure.

One row says which model is the champion (None: the formula counts), which ones were before it (the last one last), and
which one runs beside it as a shadow. Changing that row is promotion, and rollback.
"""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

_PREVIOUS_MAX = 20


def promoted(standing: Mapping[str, Any], version: int) -> Document:
    """The standing once this model counts."""
    champion, previous = standing.get("champion"), list(standing.get("previous") or ())
    before = [*previous, champion] if champion and champion != version else previous
    shadow = standing.get("shadow")
    return {
        "champion": version,
        "previous": [one for one in before if one != version][-_PREVIOUS_MAX:],
        "shadow": None if shadow == version else shadow,
    }


def shadowed(standing: Mapping[str, Any], version: int) -> Document:
    """The standing once this model runs beside the one that counts, in the place of any other."""
    return {"champion": standing.get("champion"), "previous": list(standing.get("previous") or ()), "shadow": version}


def rolled_back(standing: Mapping[str, Any]) -> Document:
    """The standing once the model before counts again; the formula, where there was none.

    Raises `LookupError` while the formula counts.
    """
    champion, previous = standing.get("champion"), list(standing.get("previous") or ())
    if not champion:
        raise LookupError("no model counts: there is nothing to roll back")
    return {"champion": previous.pop() if previous else None, "previous": previous, "shadow": standing.get("shadow")}
