"""What all commands have in common: the servers they are pointed at, and how a mistake of the user's is told."""

from shared.settings import Settings

_PRINTED = "(`pantry up` prints where its own listens)"


class Misused(Exception):  # noqa: N818 - the user's mistake, told in a sentence
    """What was asked can't be done as asked; the command tells it and ends with status 2."""


def broker_of(settings: Settings) -> str:
    """The broker that the settings name. Raises `Misused`."""
    if not settings.kafka_bootstrap:
        raise Misused(f"name the broker: PANTRY_KAFKA_BOOTSTRAP {_PRINTED}")
    return settings.kafka_bootstrap


def database_of(settings: Settings) -> str:
    """The URL of the database that the settings name. Raises `Misused`."""
    if not settings.mongo_url:
        raise Misused(f"name the database: PANTRY_MONGO_URL {_PRINTED}")
    return settings.mongo_url
