"""What stands in front of the gateway: its own address, and the proxies that it believes or warns of."""

from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from services.gateway.app import check_address
from shared.config import ConfigError
from shared.http.proxies import Proxies, describe_peer
from shared.settings import Settings, origin_of


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://Leads.example/", "https://leads.example"),
        ("https://leads.example:443", "https://leads.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("HTTP://[::1]:80", "http://[::1]"),
    ],
)
def test_the_public_url_is_written_as_browsers_write_an_origin(given: str, meant: str) -> None:
    assert origin_of(given) == meant
    assert Settings(public_url=given).public_url == meant


@pytest.mark.parametrize(
    "given",
    [
        *("", "leads.example", "ftp://leads.example", "https://", "https://a.example/path", "https://a.example?x"),
        *("https://kim@a.example", "https://a.example:x", "https://bücher.example", "https://a.example/#x"),
        "https://a b",
    ],
)
def test_what_is_no_origin_is_no_public_url(given: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(public_url=given)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "leads"])  # noqa: S104 - none is listened on
def test_a_gateway_that_other_machines_reach_needs_its_public_url(host: str) -> None:
    with pytest.raises(ConfigError, match="PANTRY_PUBLIC_URL"):
        check_address(Settings(http_host=host))
    check_address(Settings(http_host=host, public_url="https://leads.example"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_gateway_on_loopback_needs_none(host: str) -> None:
    check_address(Settings(http_host=host))


async def _seen(of: Proxies, peer: str, **headers: str) -> None:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await of({"type": "http", "scheme": "http", "client": (peer, 1), "headers": named}, None, None)  # type: ignore[arg-type]


async def test_an_untrusted_proxy_is_warned_of_once_a_minute_and_never_believed() -> None:
    clients: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        clients.append(scope["client"][0])

    now = [0.0]
    front = Proxies(app, "10.0.0.0/8", lambda: now[0])
    with capture_logs() as logged:
        await _seen(front, "10.0.0.1", x_forwarded_for="192.0.2.1")
        await _seen(front, "172.18.0.5")
        for _ in range(3):
            await _seen(front, "172.18.0.5", x_forwarded_for="192.0.2.1")
        now[0] = 60.0
        await _seen(front, "198.51.100.7", forwarded="for=192.0.2.1")
    assert clients == ["192.0.2.1", *["172.18.0.5"] * 4, "198.51.100.7"]
    assert [(one["event"], one["peer"], one["headers"]) for one in logged] == [
        ("proxy.untrusted", "172.18.0.0/24", ["x-forwarded-for"]),
        ("proxy.untrusted", "198.51.100.0/24", ["forwarded"]),
    ]
    assert all("PANTRY_TRUSTED_PROXIES" in one["then"] for one in logged)


@pytest.mark.parametrize(
    ("peer", "shown"),
    [("8.8.8.8", "the internet"), ("2a00::1", "the internet"), ("fd00::1:2", "fd00::/64"), (None, "no address")],
)
def test_of_an_address_on_the_internet_the_log_says_nothing(peer: str | None, shown: str) -> None:
    assert describe_peer(peer) == shown
