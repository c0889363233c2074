"""MongoDB's address and login."""

from dataclasses import dataclass, field
from typing import Any

from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Mongo:
    """MongoDB's URL, user and password.

    The URL has the other options (`tls=true`, `tlsCAFile=…`, `authSource=…`), and may have user and password.
    """

    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def login(self) -> dict[str, Any]:  # the driver's types know no options by name
        """The driver's options of user and password; empty if the URL has them, or none is needed."""
        return {"username": self.username, "password": self.password} if self.username and self.password else {}


def mongo_of(settings: Settings, url: str) -> Mongo:
    """Return the MongoDB at `url`, with the user of the settings."""
    password = settings.mongo_password
    return Mongo(url, settings.mongo_username, password.get_secret_value() if password else None)
