"""MongoDB's address, login and driver."""

from dataclasses import dataclass, field
from typing import Any

from shared.settings import MongoDriver, Settings


@dataclass(frozen=True, slots=True)
class Mongo:
    """MongoDB's URL, user and password, and the driver that connects to it.

    The URL has the other options (`tls=true`, `tlsCAFile=…`, `authSource=…`), and may have user and password.
    """

    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    driver: MongoDriver = "motor"

    @property
    def login(self) -> dict[str, Any]:  # the driver's types know no options by name
        """The driver's options of user and password; empty if the URL has them, or none is needed."""
        return {"username": self.username, "password": self.password} if self.username and self.password else {}


def mongo_of(settings: Settings, url: str) -> Mongo:
    """Return the MongoDB at `url`, with the user and the driver of the settings."""
    password = settings.mongo_password
    secret = password.get_secret_value() if password else None
    return Mongo(url, settings.mongo_username, secret, settings.mongo_driver)
