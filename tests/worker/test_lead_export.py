"""Export: a person gets all that is kept about them; consent: the statements with their history."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.local import LocalServers
from schemas.topics import ACTIVITIES, CREATED, ENGAGEMENTS, ENROLLED, UPDATE, UPDATED
from shared.leads.lead_export import LEFT_OUT, export_lead, exported
from shared.mongo.names import COLLECTIONS, PENDING_EVENTS, ErasureAction
from tests.builders import NOW, data, event
from tests.gateway import gateway, mistake, new_key, typed
from tests.harness import Bench, bench, lead_id, until, until_told

ANA = lead_id("c1")


def test_the_export_has_every_collection_with_data_of_a_lead() -> None:
    personal = {one.name for one in COLLECTIONS if one.by and one.action is not ErasureAction.KEPT}
    assert {name for name, _ in exported()} | LEFT_OUT.keys() == personal


async def _live(on: Bench) -> None:
    consent = {"email": True, "wording": "Write to me."}
    await on.publish([event(data(phone="+1 212 555 0100", consent=consent), event_id="c1")])
    await until_told(on, ENROLLED, 1)
    sales = {"leadId": ANA, "requestedBy": "sam"}
    stated: dict[str, Any] = {**sales, "consent": {"channel": "phone", "given": False}, "note": "Calls back."}
    stated["set"] = {"contact.title": "Chef"}
    await on.publish([event(stated, UPDATE, "u1", time=(NOW + timedelta(hours=1)).isoformat())], UPDATE)
    meeting = {"type": "meeting", "description": "Tasting", "createdBy": "sam"}
    await on.publish([event({"leadId": ANA, "activity": meeting}, ACTIVITIES, "a1")], ACTIVITIES)
    bounced = {"leadId": ANA, "action": "bounced"}
    await on.publish([event(bounced, ENGAGEMENTS, "b1", time=(NOW + timedelta(hours=2)).isoformat())], ENGAGEMENTS)
    await until_told(on, UPDATED, 2)


async def test_the_export_has_what_every_worker_keeps_about_the_person(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on, gateway(on) as caller, on.running():
        await _live(on)

        async def is_placed() -> bool:
            return await on.count("timeline", {"eventId": "b1"}) == 1

        await until(is_placed, "the whole timeline")
        key = await new_key(on)
        answer = await caller.call("GET", f"/v1/leads/{ANA}/export", key=key)
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="lead-{ANA}.json"'
        found = json.loads(answer.text)
        assert (await caller.call("GET", "/v1/leads/nobody/export", key=key)).status == 404
        assert (await caller.call("GET", f"/v1/leads/{ANA}/export")).status == 401
        said = json.loads(await typed(on, "leads", "export", "ANA@example.com"))
        file = tmp_path / "ana.json"
        await typed(on, "leads", "export", ANA, "--to", str(file))
        assert "no lead has this id" in await mistake(on, "leads", "export", "nobody@example.com")
    assert found["lead"]["contact"]["title"] == "Chef"
    assert [one["text"] for one in found["notes"]] == ["Calls back."]
    assert found["edits"][0]["changes"] == [{"path": "contact.title", "from": None, "to": "Chef"}]
    assert {one["type"] for one in found["activities"]} == {"meeting", "email", "follow_up"}
    assert {name for name, rows in found.items() if isinstance(rows, list) and not rows} <= {PENDING_EVENTS, "tasks"}
    kept = ("captures", "timeline", "nurture_steps", "enrolments")
    assert {one["leadId"] for name in kept for one in found[name]} == {ANA}
    exports = (said, json.loads(file.read_text()))
    assert all(one.keys() == found.keys() and one["notes"] == found["notes"] for one in exports)


async def test_a_lead_s_statements_are_listed_newest_first_with_their_words(local: LocalServers) -> None:
    workers = ("capture", "scoring", "nurture", "engagement", "qualification")
    async with bench(local) as on, gateway(on) as caller, on.running(*workers):
        await _live(on)
        key = await new_key(on)
        answer = await caller.call("GET", f"/v1/leads/{ANA}/consent", key=key)
        assert (await caller.call("GET", "/v1/leads/nobody/consent", key=key)).status == 404
    statements: list[Any] = answer.json["statements"]
    times = [one["at"] for one in statements]
    assert times == sorted(times, reverse=True)
    assert sorted((one["channel"], one["given"], one["reason"]) for one in statements) == [
        ("email", False, "bounced"),
        ("email", True, "stated"),
        ("phone", False, "stated"),
    ]
    assert {one.get("wording") for one in statements} == {None, "Write to me."}
    assert next(one for one in statements if one["channel"] == "phone")["by"] == "sam"


async def test_a_pending_event_of_the_lead_is_exported_as_text(local: LocalServers) -> None:
    async with bench(local) as on, on.running("capture"):
        await on.publish([event(data(), event_id="c1")])
        await until_told(on, CREATED, 1)
        row: Any = {"_id": "p1", "worker": "conversion", "name": f"lead:{ANA}", "value": b'{"a": 1}\xff', "at": NOW}
        await on.storage.insert_new(PENDING_EVENTS, [row])
        parts = await export_lead(on.storage, ANA, NOW)
        assert parts is not None
        found = json.loads(b"".join([part async for part in parts]))
    assert [one["value"] for one in found["orphans"]] == ['{"a": 1}\ufffd']
