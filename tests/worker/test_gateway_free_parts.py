"""Extended JSON through every door of the gateway: refused, alone, and nothing of it is ever published."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from deploy.local import LocalServers
from schemas.topics import CAPTURED, CONVERT, DEADLETTER, ENGAGEMENTS
from services.gateway.auth.domain.principals import KeyKind
from services.gateway.auth.domain.signing import Signer
from tests.builders import data
from tests.faults.malformed import EXTENDED_JSON
from tests.gateway import SECRET, Caller, events, gateway, new_key, signed
from tests.harness import bench

_NDJSON = "application/x-ndjson"


def _wrapped(form: dict[str, Any], depth: int) -> Any:
    value: Any = form
    for level in range(depth):
        value = [value] if level % 2 else {"deeper": value}
    return {"free": value}


async def _single(caller: Caller, key: str, free: dict[str, Any]) -> list[int]:
    """What is answered to one request each."""
    sent = (
        ("/v1/leads", {**data(), "context": free}),
        ("/v1/engagements", {"leadId": "lead-1", "action": "clicked_pricing", "metadata": free}),
        ("/v1/leads/lead-1/convert", {"opportunity": free}),
    )
    return [(await caller.post(path, body, key=key)).status for path, body in sent]


async def _batches(caller: Caller, key: str, free: dict[str, Any]) -> list[tuple[int, int]]:
    """How many items of each kind of batch were taken, and how many were not, beside a good neighbour each."""
    lines = [{**data(), "context": free}, data()]
    said = {"leadId": "lead-1", "action": "opened_email"}
    hook = json.dumps([{**said, "metadata": free}, said]).encode()
    secret = Signer(SECRET).webhook_secret("mailer", "1")
    answers = [
        await caller.post("/v1/scans", lines, key=key),
        await caller.post("/v1/scans", b"\n".join(json.dumps(one).encode() for one in lines), key=key, media=_NDJSON),
        await caller.post("/v1/webhooks/mailer", hook, **signed(secret, hook)),
    ]
    return [(one.json["accepted"], len(one.json["rejected"])) for one in answers]


@pytest.mark.usefixtures("quiet")
async def test_no_door_lets_extended_json_in_and_none_shuts_for_its_neighbours(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        key = await new_key(on)
        await new_key(on, "mailer", KeyKind.WEBHOOK)
        for number, form in enumerate(EXTENDED_JSON):
            free = _wrapped(form, number % 4)
            assert await _single(caller, key, free) == [422] * 3, form
            assert await _batches(caller, key, free) == [(2, 0), (2, 0), (1, 1)], form
            fields = {"contact.firstName": "Ana", "contact.lastName": "Reyes", "company.name": "Blue Fork"}
            odd = {f"context.{name}": "x" for name in form}
            body = urlencode({**fields, "contact.email": "ana@example.com", **odd}).encode()
            await caller.post("/v1/leads", body, key=key, media="application/x-www-form-urlencoded")
        captures, clicks = await events(on, CAPTURED), await events(on, ENGAGEMENTS)
        assert await on.records(CONVERT, DEADLETTER) == []
    assert len(captures) >= 2
    assert not [one for one in captures if '"$' in one.payload.model_dump_json()]
    assert clicks
    assert not [one for one in clicks if one.payload.metadata]
