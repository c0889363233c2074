"""Policies that settings choose, as decisions take them."""

from shared.domain.permission import Policy
from shared.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """What may be sent where nothing was stated."""
    return Policy(settings.consent_policy, settings.region)
