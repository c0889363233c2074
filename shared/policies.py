"""Builds the policies of pure decisions from the settings."""

from shared.domain.consent.contact_permission import ConsentPolicy
from shared.settings import Settings


def policy_of(settings: Settings) -> ConsentPolicy:
    """Return the policy for leads that stated no consent."""
    return ConsentPolicy(settings.consent_policy, settings.region)
