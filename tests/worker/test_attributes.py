"""Attributes on real servers: from each way in to the lead, and back out."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from deploy.local import LocalServers
from schemas.topics import CAPTURED, DEADLETTER, UPDATE
from services.gateway.auth.domain import key_fields
from services.gateway.auth.domain.principals import KeyKind
from services.gateway.auth.domain.users import Role
from tests.builders import data, event
from tests.collection_names import CAPTURES, LEADS
from tests.gateway import gateway, new_key, session_of
from tests.harness import Bench, bench, lead_id, until

_WORKERS = ("capture", "qualification")


async def _lead(on: Bench, id_: str) -> Any:
    return (await on.storage.read(LEADS, [id_])).get(id_, {})


async def test_attributes_reach_the_lead_and_edits_change_and_empty_them(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=_WORKERS) as caller:
        key, sales = await new_key(on), await session_of(on, caller, Role.SALES)
        sent = {"cuisine": "Italian", "covers": "120", "openingDate": "2027-03-01", "chef": "Bo"}
        where = {"city": "Graz", "postalCode": "8010"}
        await on.publish([event(data(attributes=sent, company={"address": where}), event_id="c1")])
        id_ = lead_id("c1")

        async def is_there() -> bool:
            return (await _lead(on, id_)).get("attributes") is not None

        await until(is_there, "the lead")
        shown = (await caller.call("GET", f"/v1/leads/{id_}", session=sales)).json
        assert shown["attributes"] == {"cuisine": "italian", "covers": 120, "openingDate": "2027-03-01"}
        assert shown["company"]["address"] == where
        edits = {"attributes.covers": None, "attributes.cuisine": "Mexican", "company.address.city": None}
        answer = await caller.call("PATCH", f"/v1/leads/{id_}", {"set": edits}, session=sales)
        assert answer.status == 202, answer.text

        async def is_edited() -> bool:
            held: object = (await _lead(on, id_))["attributes"]
            return held == {"cuisine": "mexican", "openingDate": "2027-03-01"}

        await until(is_edited, "the edit")
        assert (await _lead(on, id_))["company"]["address"] == {"postalCode": "8010"}
        again = await caller.post("/v1/leads", data(attributes={"covers": 80, "cuisine": "asian"}), key=key)
        assert again.status == 202

        async def is_filled() -> bool:
            return bool((await _lead(on, id_))["attributes"].get("covers") == 80)

        await until(is_filled, "the second capture")
        assert (await _lead(on, id_))["attributes"]["cuisine"] == "mexican"
        (row,) = await on.storage.find(CAPTURES, {"outcome": "merged"})
        assert {"path": "attributes.cuisine", "value": "asian"} in row["differed"]


async def test_no_door_lets_a_value_of_a_wrong_type_in(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=_WORKERS) as caller:
        key, form = await new_key(on), await new_key(on, "form", KeyKind.FORM)
        wrong = data(attributes={"covers": "many"})
        for sender in (key, form):
            refused = await caller.post("/v1/leads", wrong, key=sender)
            assert (refused.status, [one["path"] for one in refused.json["errors"]]) == (422, ["attributes.covers"])
        refused = await caller.call("PATCH", "/v1/leads/l", {"set": {"attributes.chef": "Bo"}}, key=key)
        assert (refused.status, refused.json["errors"][0]["path"]) == (422, "set.attributes.chef")
        warned = await caller.post("/v1/scans", [wrong], key=key)
        assert (warned.status, [one["column"] for one in warned.json["warnings"]]) == (202, ["attributes.covers"])
        await on.publish([event(wrong, event_id="w1")])
        edit = {"leadId": "l", "requestedBy": "sam", "set": {"attributes.chef": "Bo"}}
        await on.publish([event(edit, UPDATE, "w2")], UPDATE)

        async def are_dead() -> bool:
            return len(await on.records(DEADLETTER)) == 2

        await until(are_dead, "both records in the dead letter")
        details = sorted(dict(one.headers)["x-detail"].decode() for one in await on.records(DEADLETTER))
        assert details == [
            "data.attributes.covers: Input should be a valid number, unable to parse string as a number",
            "data.set.attributes.chef: Extra inputs are not permitted",
        ]


async def test_a_form_keeps_what_its_key_declares_and_no_more(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        fields = (*key_fields.NAMES, "contact.email", "attributes.cuisine")
        form = await new_key(on, "form", KeyKind.FORM, fields=fields)
        sent = data(attributes={"cuisine": "italian", "covers": 5}, requirements={"budget": 5})
        assert (await caller.post("/v1/leads", sent, key=form)).status == 202
        posted = {"_key": form, "attributes.cuisine": "italian", "attributes.covers": "5", "vip": "yes"}
        posted |= {f"{part}.{name}": value for part in ("company", "contact") for name, value in sent[part].items()}
        body = urlencode(posted).encode()
        assert (await caller.post("/v1/leads", body, media="application/x-www-form-urlencoded")).status == 202
        kept = [json.loads(one.value or b"")["data"] for one in await on.records(CAPTURED)]
        assert [(one["attributes"], one.keys() & {"requirements", "context"}) for one in kept] == [
            ({"cuisine": "italian"}, set())
        ] * 2
        page = await caller.call("GET", f"/v1/forms/{form}")
        assert ("attributes.cuisine" in page.text, "attributes.covers" in page.text) == (True, False)


async def test_the_list_has_the_leads_of_a_choice(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on, workers=("capture", "insights")) as caller:
        key = await new_key(on)
        cuisines = ("italian", "italian", "asian", None)
        for number, cuisine in enumerate(cuisines):
            sent = data(f"p{number}@example.com", attributes={"cuisine": cuisine, "distributor": "Sysco"})
            await on.publish([event(sent, event_id=f"c{number}")])

        async def found(query: str) -> set[str]:
            answer = await caller.call("GET", f"/v1/leads?{query}", key=key)
            assert answer.status == 200, answer.text
            return {one["contact"]["email"] for one in answer.json["leads"]}

        async def are_counted() -> bool:
            return len(await found("")) == len(cuisines)

        await until(are_counted, "the leads in the list")
        assert await found("attribute=cuisine:Italian") == {"p0@example.com", "p1@example.com"}
        assert await found("attribute=cuisine:italian&status=new&source=website") == await found(
            "attribute=cuisine:italian&q=example"
        )
        assert await found("attribute=cuisine:italian&attribute=cuisine:asian") == set()
        for wrong in ("cuisine:thai", "distributor:Sysco", "chef:Bo"):
            refused = await caller.call("GET", f"/v1/leads?attribute={wrong}", key=key)
            assert (refused.status, refused.json["errors"][0]["path"]) == (422, "attribute")
        assert await found("&".join(["attribute=cuisine:asian"] * 5)) == {"p2@example.com"}
        six = await caller.call("GET", f"/v1/leads?{'&'.join(['attribute=cuisine:asian'] * 6)}", key=key)
        assert six.status == 422


async def test_a_saved_declaration_holds_at_once_at_the_door_and_in_the_worker(
    local: LocalServers, tmp_path: Path
) -> None:
    file = tmp_path / "attributes.yaml"
    file.write_text("attributes: []\n")
    async with bench(local) as on, gateway(on, workers=("capture",), attributes_file=file) as caller:
        key = await new_key(on)
        sent = data(attributes={"chairs": "many"})

        async def status() -> int:
            return (await caller.post("/v1/leads", sent, key=key)).status

        assert await status() == 202, "an undeclared name is ignored"
        file.write_text("attributes: [{name: chairs, label: Chairs, type: number}]\n")

        async def holds() -> bool:
            return await status() == 422

        await until(holds, "the new declaration")
        number = 0

        async def is_kept() -> bool:
            nonlocal number
            number += 1
            payload = data(f"p{number}@example.com", attributes={"chairs": 40})
            await on.publish([event(payload, event_id=f"n{number}")], CAPTURED)
            return bool(await on.count(LEADS, {"attributes.chairs": 40}))

        await until(is_kept, "a lead with the new attribute", every_s=0.5)
