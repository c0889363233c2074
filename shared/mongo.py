"""Where MongoDB is, and how to be let in."""

from dataclasses import dataclass, field
from typing import Any

from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Mongo:
    """Where MongoDB is, and who asks it.

    The URL has the rest of it (`tls=true`, `tlsCAFile=…`, `authSource=…`), and may name user and password itself.
    """

    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def login(self) -> dict[str, Any]:
        """User and password as the driver's options; none where the URL has them, or nobody is asked."""
        return {"username": self.username, "password": self.password} if self.username and self.password else {}


def mongo_of(settings: Settings, url: str) -> Mongo:
    """The MongoDB at `url`, as the user that the settings name."""
    password = settings.mongo_password
    return Mongo(url, settings.mongo_username, password.get_secret_value() if password else None)
