"""What the gateway's own secret (`PANTRY_GATEWAY_SECRET`) vouches for: form tokens, webhook secrets, hashed addresses.

Each purpose has a key of its own derived from it, and none of them is stored. All is pure.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_TOKEN_AGE = timedelta(days=1)
_MOMENT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Signer:
    """Derives and checks by one secret, which every gateway process of an installation has."""

    secret: str

    def _mac(self, *parts: str) -> bytes:
        message = "\0".join(parts).encode()
        return hmac.digest(self.secret.encode(), message, "sha256")

    def webhook_secret(self, name: str, number: str) -> str:
        """A webhook key's secret of this number, as Standard Webhooks writes it."""
        return "whsec_" + base64.b64encode(self._mac("webhook", name, number)).decode()

    def address(self, network: str) -> str:
        """A name for an address by which nobody learns the address."""
        return self._mac("address", network).hex()[:32]

    def form_token(self, name: str, now: datetime) -> str:
        """Says when the form of this key was rendered."""
        moment = int(now.timestamp() * 1_000).to_bytes(_MOMENT_BYTES, "big")
        return _text(moment + self._mac("form", name, moment.hex())[:16])

    def rendered_at(self, name: str, token: str) -> datetime | None:
        """When the form with this token was rendered; None for a token that isn't ours."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        moment, mac = raw[:_MOMENT_BYTES], raw[_MOMENT_BYTES:]
        if not hmac.compare_digest(mac, self._mac("form", name, moment.hex())[:16]):
            return None
        return datetime.fromtimestamp(int.from_bytes(moment, "big") / 1_000, UTC)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def why_no_person(age: timedelta | None, fill_s: float) -> str | None:
    """Why a form rendered that long ago wasn't filled in by a person; None when it may have been.

    The words are for the person it was after all: sending again helps.
    """
    if age is None or age < timedelta(0):
        return "This form was not ours: please load the page again."
    if age < timedelta(seconds=fill_s):
        return "That was faster than a person can type: please send it again."
    if age > _TOKEN_AGE:
        return "This form was opened too long ago: please load the page again."
    return None
