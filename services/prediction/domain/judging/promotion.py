"""Promotion and rollback: which model predicts. Pure.

One row names the champion (None: the formula), the earlier champions (the last one last), and the shadow that predicts
beside it without effect.
"""

from shared.domain.stored.prediction_documents import StandingRow

_PREVIOUS_MAX = 20


def promote(standing: StandingRow, version: int) -> StandingRow:
    """Return the row with this model as champion."""
    champion, previous = standing.get("champion"), list(standing.get("previous") or ())
    before = [*previous, champion] if champion and champion != version else previous
    shadow = standing.get("shadow")
    return {
        "champion": version,
        "previous": [one for one in before if one != version][-_PREVIOUS_MAX:],
        "shadow": None if shadow == version else shadow,
    }


def run_as_shadow(standing: StandingRow, version: int) -> StandingRow:
    """Return the row with this model as shadow, in place of any other."""
    return {"champion": standing.get("champion"), "previous": list(standing.get("previous") or ()), "shadow": version}


def roll_back(standing: StandingRow) -> StandingRow:
    """Return the row with the champion before, or the formula if there was none.

    Raises `LookupError` if the formula is in use.
    """
    champion, previous = standing.get("champion"), list(standing.get("previous") or ())
    if not champion:
        raise LookupError("no model is in use: there is nothing to roll back")
    return {"champion": previous.pop() if previous else None, "previous": previous, "shadow": standing.get("shadow")}
