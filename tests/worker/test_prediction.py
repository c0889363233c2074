"""Prediction on real servers: leads are predicted as events tell of them."""

from datetime import datetime

import pytest

from deploy.local import LocalServers
from schemas.topics import ENGAGEMENTS, ERASE, UPDATE
from services.prediction import predicting
from services.prediction.domain.learning.features import History, Vector, vector
from shared.domain.stored.untyped import Document
from tests.builders import data, event
from tests.collection_names import PREDICTIONS
from tests.gateway import gateway, new_key
from tests.harness import Bench, bench, lead_id, until

WORKERS = ("capture", "scoring", "engagement", "qualification", "conversion", "erasure", "prediction")


async def _predicted(on: Bench, who: str) -> Document:
    row = (await on.storage.read(PREDICTIONS, [who])).get(who, {})
    return row if "prediction" in row else {}


async def _until_clicks(on: Bench, who: str, clicks: int) -> Document:
    async def seen() -> bool:
        row = await _predicted(on, who)
        return bool(row) and row["prediction"]["vector"]["clickedPricing"] == clicks

    await until(seen, f"a prediction that knows of {clicks} clicks")
    return await _predicted(on, who)


async def test_an_open_lead_is_predicted_and_again_when_more_is_known_and_no_longer_once_it_is_closed_or_erased(
    local: LocalServers,
) -> None:
    who, other = lead_id("c1"), lead_id("c2")
    async with bench(local) as on, on.running(*WORKERS), gateway(on) as caller:
        key = await new_key(on)
        await on.publish([event(data(), event_id="c1"), event(data(email="bo@example.com"), event_id="c2")])
        first = await _until_clicks(on, who, 0)
        clicked = event({"leadId": who, "action": "clicked_pricing"}, ENGAGEMENTS, "e1")
        await on.publish([clicked, clicked], ENGAGEMENTS)
        second = await _until_clicks(on, who, 1)
        assert second["prediction"]["probability"] > first["prediction"]["probability"]
        answer = await caller.call("GET", f"/v1/leads/{who}/prediction", key=key)
        assert answer.status == 200
        assert (answer.json["method"], answer.json["modelVersion"], answer.json["leadId"]) == ("heuristic", None, who)
        assert answer.json["factors"][0]["name"] == "looked at pricing once"
        await on.publish([event({"leadId": who, "requestedBy": "kim", "status": "lost"}, UPDATE, "u1")], UPDATE)
        await on.publish([event({"leadId": other, "requestedBy": "desk"}, ERASE, "x1")], ERASE)

        async def ended() -> bool:
            rows = {row["_id"]: row for row in await on.storage.find(PREDICTIONS, {})}
            return rows.keys() == {who} and rows[who]["closed"] and "wakeAt" not in rows[who]

        await until(ended, "one lead closed, one gone")
        assert (await caller.call("GET", f"/v1/leads/{who}/prediction", key=key)).status == 404


async def test_a_lead_that_cannot_be_predicted_holds_up_no_other(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, good = lead_id("p"), vector

    def broken(history: History, now: datetime) -> Vector:
        if history.lead["_id"] == poison:
            raise OverflowError("a bug that only this lead meets")
        return good(history, now)

    monkeypatch.setattr(predicting, "vector", broken)
    names = ["p", *(f"c{number}" for number in range(9))]
    async with bench(local) as on, on.running("capture", "scoring", "prediction"):
        await on.publish([event(data(email=f"{name}@example.com", last=name), event_id=name) for name in names])

        async def predicted() -> bool:
            rows = await on.storage.find(PREDICTIONS, {})
            return {row["_id"] for row in rows if "prediction" in row} == {lead_id(name) for name in names[1:]}

        await until(predicted, "the nine others' predictions")
