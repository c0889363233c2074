"""Edits of leads: identity follows them, whoever dies or freezes meanwhile, and nothing of an erased lead stays."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from schemas import topics
from shared.domain.stored.untyped import Document
from shared.mongo.connection import Mongo
from shared.mongo.names import EDITS, NOTES
from shared.mongo.storage import Storage
from tests.builders import NOW, data
from tests.collection_names import COMMANDS, IDENTITIES, LEADS, TIMELINE
from tests.harness import lead_id, mongo_at
from tests.model.rig import Accident, Rig

_STEPS = 30
"""More steps than the handler has."""
ANA, BO = lead_id("ana"), lead_id("bo")
A, B, C = "ana@example.com", "ana@new.example", "ana@third.example"
MINUTE = timedelta(minutes=1)

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(600)]
_databases = iter(range(10_000))


@pytest.fixture
def mongo(mongo: str) -> Mongo:
    return mongo_at(mongo)


class _Case:
    """Leads, and commands that edit them."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    async def capture(self, event_id: str, email: str, **more: Any) -> None:
        await self.rig.say(event_id, topics.CAPTURED, data(email, **more), self.rig.now)
        await self.rig.run("capture", list(self.rig.pending["capture"]))

    async def edit(
        self, event_id: str, values: dict[str, Any] | None, minutes: int = 0, who: str = ANA, **more: Any
    ) -> int:
        said = {"leadId": who, "requestedBy": "sam", **more, **({"set": values} if values else {})}
        await self.rig.say(event_id, topics.UPDATE, said, NOW + minutes * MINUTE)
        return len(self.rig.log) - 1

    async def turn(self, *numbers: int, accident: Accident | None = None) -> None:
        await self.rig.run("qualification", numbers, accident)

    async def done(
        self, event_id: str, values: dict[str, Any] | None, minutes: int = 0, who: str = ANA, **more: Any
    ) -> None:
        await self.turn(await self.edit(event_id, values, minutes, who, **more))

    async def lead(self, who: str = ANA) -> Document:
        return (await self.rig.storage.read(LEADS, [who])).get(who, {})

    async def emails(self, *, former: bool = False) -> dict[str, list[str]]:
        """The e-mails that are claimed, or that edits have freed, with their leads."""
        rows = [one for one in await self.rig.storage.find(IDENTITIES, {}) if one.get("former", False) is former]
        return {one["_id"].removeprefix("email:"): one["leadIds"] for one in rows if one["_id"].startswith("email:")}

    async def persons(self) -> list[list[str]]:
        """The leads of each phone + company + name."""
        return [one["leadIds"] for one in await self.rig.storage.find(IDENTITIES, {}) if one["_id"].startswith("pcn:")]

    def said(self, topic: topics.Topic) -> list[Document]:
        """The different events of a topic."""
        found = {one.event["id"]: one.event["data"] for one in self.rig.log if one.record.topic == topic.name}
        return list(found.values())


@asynccontextmanager
async def _case(mongo: Mongo) -> AsyncIterator[_Case]:
    rig = Rig(Storage(mongo, f"edits{next(_databases)}"))
    await rig.open()
    try:
        case = _Case(rig)
        await case.capture("ana", A)
        yield case
        assert rig.faults == []
    finally:
        await rig.close()


async def test_captures_find_a_lead_by_its_edited_email_and_no_longer_by_the_replaced_one(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.done("e1", {"contact.email": B})
        assert await case.emails() == {B: [ANA]}
        await case.capture("c1", B.upper())
        assert (await case.lead())["captureCount"] == 2
        await case.capture("c2", A, last="Other")
        assert await case.emails() == {A: [lead_id("c2")], B: [ANA]}
        (told,) = case.said(topics.UPDATED)
        assert told["changed"] == {"contact.email": {"from": A, "to": B}}
        assert told["by"] == "sam"


async def test_events_with_the_replaced_email_find_the_lead_until_another_person_uses_it(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.done("e1", {"contact.email": B}, 1)
        assert (await case.emails(), await case.emails(former=True)) == ({B: [ANA]}, {A: [ANA]})
        await case.rig.say("n1", topics.ENGAGEMENTS, {"email": A, "action": "unsubscribed"}, NOW + 2 * MINUTE)
        await case.rig.run("engagement", list(case.rig.pending["engagement"]))
        assert (await case.lead())["consent"]["email"] is False, "who leaves wants no mail at any address"
        await case.capture("bo", A, first="Bo", last="Li")
        assert (await case.emails(), await case.emails(former=True)) == ({A: [BO], B: [ANA]}, {})
        await case.rig.say("x1", topics.ERASE, {"email": A, "requestedBy": "desk"}, NOW)
        await case.rig.run("erasure", list(case.rig.pending["erasure"]))
        assert (await case.lead(BO), (await case.lead())["_id"]) == ({}, ANA)


async def test_an_erasure_by_a_replaced_email_erases_the_lead_and_spares_the_next_person_with_it(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.done("e1", {"contact.email": B}, 1)
        await case.done("e2", {"contact.email": C}, 2)
        await case.capture("bo", A, first="Bo", last="Li")
        await case.rig.say("n1", topics.ENGAGEMENTS, {"leadId": ANA, "action": "unsubscribed"}, NOW + 3 * MINUTE)
        await case.rig.run("engagement", list(case.rig.pending["engagement"]))
        await case.rig.say("x1", topics.ERASE, {"email": B, "requestedBy": "desk"}, NOW)
        await case.rig.settle()
        assert await case.lead() == {}
        assert await case.emails() == {A: [BO]}
        await case.capture("b2", A, first="Bo", last="Li")
        bo = await case.lead(BO)
        assert (bo["captureCount"], bo.get("consent", {}).get("email")) == (2, None)
        case.rig.now += MINUTE
        await case.capture("a9", B)
        assert (await case.lead(lead_id("a9")))["consent"]["email"] is False, "she has refused mail there"


async def test_a_claim_of_a_capture_outlives_a_rejected_or_late_edit(mongo: Mongo) -> None:
    phone = "+1 212 555 0100"
    async with _case(mongo) as case:
        await case.capture("a1", A, phone=phone)
        await case.capture("a2", B, phone=phone)
        assert await case.emails() == {A: [ANA], B: [ANA]}
        await case.done("e1", {"contact.email": B, "company.name": None}, 2)
        await case.done("e3", {"contact.email": C}, 5)
        await case.done("e2", {"contact.email": B}, 3)
        assert await case.emails() == {B: [ANA], C: [ANA]}
        await case.turn(len(case.rig.log) - 1)
        assert await case.emails() == {B: [ANA], C: [ANA]}


async def test_a_rejected_edit_leaves_no_claim_of_phone_company_and_name(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        stranger = {"contact.phone": "+1 212 555 0100", "contact.firstName": "Bo", "contact.lastName": "Li"}
        await case.done("e1", stranger, 1, status="lost", lostReason="nope")
        await case.done("e2", {**stranger, "company.name": None}, 2)
        assert await case.persons() == []


async def test_two_leads_can_be_edited_into_one_phone_company_and_name_in_one_batch(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.capture("bo", "bo@example.com")
        phone = {"contact.phone": "+1 212 555 0100"}
        await case.turn(await case.edit("e1", phone), await case.edit("e2", phone, who=BO))
        assert [sorted(one) for one in await case.persons()] == [sorted([ANA, BO])]


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_a_frozen_edit_takes_no_claim_from_the_lead_that_shows_it_again(mongo: Mongo, step: int) -> None:
    async with _case(mongo) as case:
        number = await case.edit("e1", {"contact.email": B}, 1)
        await case.turn(number, accident=Accident(step, pauses=True))
        await case.turn(number)
        await case.done("e2", {"contact.email": A}, 2)
        await case.rig.settle()
        await case.capture("c2", A, first="Bo", last="Li")
        leads = await case.rig.storage.find(LEADS, {})
        assert [one["contact"]["email"] for one in leads] == [A]
        assert (await case.emails())[A] == [ANA]


async def test_an_email_that_too_many_share_stays_shared_after_an_edit_of_its_holder(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        for number in range(51):
            await case.capture(f"s{number}", "info@example.com", first=f"Person{number}", last="Li")
        (row,) = await case.rig.storage.find(IDENTITIES, {"_id": "email:info@example.com"})
        holder = row["leadIds"][0]
        await case.done("e1", {"contact.email": "own@example.com"}, 1, who=holder)
        before = await case.rig.storage.count(LEADS)
        for number in range(3):
            await case.capture(f"t{number}", "info@example.com", first=f"Other{number}", last="Li")
        assert await case.rig.storage.count(LEADS) == before + 3


async def test_an_edit_into_an_email_at_its_limit_makes_it_a_shared_one(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        for number in range(50):
            await case.capture(f"s{number}", "info@example.com", first=f"Person{number}", last="Li")
        before = await case.rig.storage.count(LEADS)
        await case.done("e1", {"contact.email": "info@example.com"}, 1)
        assert (await case.lead())["contact"]["email"] == "info@example.com"
        await case.capture("t1", "info@example.com", first="Person1", last="Li")
        assert await case.rig.storage.count(LEADS) == before + 1


async def test_a_bounce_of_before_the_edit_is_about_the_former_address(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.done("e1", {"contact.email": B}, 5)
        await case.rig.say("b1", topics.ENGAGEMENTS, {"leadId": ANA, "action": "bounced"}, NOW + MINUTE)
        await case.rig.run("engagement", list(case.rig.pending["engagement"]))
        assert "email" not in (await case.lead()).get("consent", {})
        await case.done("e2", {"contact.email": A}, 6)
        assert (await case.lead())["consent"]["email"] is False


async def test_an_edit_into_an_email_of_another_lead_is_rejected_and_names_that_lead(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.capture("bo", "bo@example.com", first="Bo", last="Li")
        before = await case.lead()
        number = await case.edit("e1", {"contact.email": "BO@example.com", "contact.title": "Chef"})
        await case.turn(number)
        await case.turn(number)
        (told,) = case.said(topics.REJECTED)
        assert (told["reason"], told["otherId"], told["leadId"]) == ("identity_taken", BO, ANA)
        assert await case.lead() == before
        assert await case.emails() == {A: [ANA], "bo@example.com": [BO]}


async def test_of_two_edits_into_one_email_in_one_batch_one_is_rejected(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.capture("bo", "bo@example.com", first="Bo", last="Li")
        numbers = [await case.edit("e1", {"contact.email": C}), await case.edit("e2", {"contact.email": C}, who=BO)]
        await case.turn(*numbers)
        (told,) = case.said(topics.REJECTED)
        assert (told["reason"], told["otherId"], told["leadId"]) == ("identity_taken", ANA, BO)
        assert await case.emails() == {C: [ANA], "bo@example.com": [BO]}


async def test_a_rejected_edit_leaves_no_claim(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.done("e1", {"contact.email": B, "company.name": None})
        await case.done("e2", {"contact.email": C}, status="lost", lostReason="no such reason")
        assert [one["reason"] for one in case.said(topics.REJECTED)] == ["field_required", "unknown_lost_reason"]
        assert await case.emails() == {A: [ANA]}


async def test_edits_of_one_lead_in_one_batch_and_late_ones_keep_the_newest_per_path(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        newer = await case.edit("e2", {"contact.email": C, "contact.title": "Owner"}, 2)
        older = await case.edit("e1", {"contact.email": B, "company.industry": "hotel"}, 1)
        await case.turn(newer, older)
        lead = await case.lead()
        assert (lead["contact"]["email"], lead["contact"]["title"], lead["company"]["industry"]) == (
            C,
            "Owner",
            "hotel",
        )
        assert await case.emails() == {C: [ANA]}
        assert len(await case.rig.storage.find(EDITS, {"leadId": ANA})) == 2


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_a_worker_that_dies_at_any_step_of_an_edit_finishes_it_after_its_restart(mongo: Mongo, step: int) -> None:
    async with _case(mongo) as case:
        await case.done("e0", {"contact.title": "Chef"})
        number = await case.edit("e1", {"contact.email": B, "contact.title": "Owner"}, 1, note="Has moved.")
        await case.turn(number, accident=Accident(step))
        await case.turn(number)
        lead = await case.lead()
        assert (lead["contact"]["email"], lead["contact"]["title"]) == (B, "Owner")
        assert "leaving" not in lead
        assert await case.emails() == {B: [ANA]}
        rows = await case.rig.storage.find(EDITS, {"leadId": ANA}, sort=(("number", 1),))
        assert [len(one["changes"]) for one in rows] == [1, 2]
        assert len(await case.rig.storage.find(NOTES, {"leadId": ANA})) == 1
        told = [one["changed"] for one in case.said(topics.UPDATED)]
        assert told[1:] == [{"contact.email": {"from": A, "to": B}, "contact.title": {"from": "Chef", "to": "Owner"}}]


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_while_an_edit_is_frozen_at_any_step_no_other_lead_gets_its_email(mongo: Mongo, step: int) -> None:
    async with _case(mongo) as case:
        number = await case.edit("e1", {"contact.email": B})
        await case.turn(number, accident=Accident(step, pauses=True))
        await case.capture("c1", B, first="Bo", last="Li")
        await case.rig.settle()
        leads = await case.rig.storage.find(LEADS, {})
        shown = [one["contact"]["email"] for one in leads]
        assert len(shown) == len(set(shown))
        claimed = await case.emails()
        assert all(claimed[one["contact"]["email"]] == [one["_id"]] for one in leads), claimed
        rejected = case.said(topics.REJECTED)
        assert (await case.lead())["contact"]["email"] == (A if rejected else B)


@pytest.mark.parametrize("step", range(1, _STEPS))
async def test_an_erasure_while_an_edit_is_frozen_at_any_step_leaves_nothing_of_it(mongo: Mongo, step: int) -> None:
    async with _case(mongo) as case:
        number = await case.edit("e1", {"contact.email": B}, note="Has moved.")
        await case.turn(number, accident=Accident(step, pauses=True))
        await case.rig.say("x1", topics.ERASE, {"leadId": ANA, "requestedBy": "desk"}, NOW + 5 * MINUTE)
        await case.rig.run("erasure", list(case.rig.pending["erasure"]))
        await case.rig.settle()
        assert await case.lead() == {}
        assert await case.emails() == {}
        for name, documents in (await case.rig.stored()).items():
            assert B not in str(documents), name
            assert "Has moved" not in str(documents), name


async def test_a_note_is_kept_once_and_gives_no_points(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        number = await case.edit("n1", None, note="Calls back in May.")
        await case.turn(number)
        await case.turn(number)
        (row,) = await case.rig.storage.find(NOTES, {})
        assert (row["leadId"], row["text"], row["by"], row["at"]) == (ANA, "Calls back in May.", "sam", NOW)
        assert case.said(topics.UPDATED) == []
        assert "activityStats" not in await case.lead()


async def test_a_ledger_keeps_no_personal_data_of_an_edit(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.done("e1", {"contact.email": B, "contact.phone": "+1 212 555 0177"})
        assert B not in str(await case.rig.storage.find(COMMANDS, {}))


async def test_an_edit_is_in_the_timeline_with_before_and_after_and_the_score_follows(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.rig.settle()
        before = (await case.lead())["score"]
        await case.done("e0", {"company.industry": "restaurant"})
        await case.edit("e1", {"contact.title": "Director of catering", "company.industry": None}, 1)
        await case.rig.settle()
        assert (await case.lead())["score"] == before + 15
        rows = await case.rig.storage.find(TIMELINE, {"topic": topics.UPDATED.name, "details.by": "sam"})
        assert [one["details"]["changed"] for one in sorted(rows, key=lambda one: one["key"])][-1] == [
            {"path": "company.industry", "from": "restaurant", "to": None},
            {"path": "contact.title", "from": None, "to": "Director of catering"},
        ]


async def test_a_bounce_at_the_former_address_does_not_stop_mail_to_the_new_one(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.rig.say("b1", topics.ENGAGEMENTS, {"leadId": ANA, "action": "bounced"}, NOW)
        await case.rig.run("engagement", list(case.rig.pending["engagement"]))
        assert (await case.lead())["consent"]["email"] is False
        await case.done("e1", {"contact.email": B}, 1)
        assert "email" not in (await case.lead())["consent"]
        assert case.said(topics.UPDATED)[-1]["changed"]["consent.email"] == {"from": False}


async def test_an_address_that_an_erased_person_refused_stays_refused(mongo: Mongo) -> None:
    async with _case(mongo) as case:
        await case.capture("bo", B, first="Bo", last="Li")
        await case.rig.say("b1", topics.ENGAGEMENTS, {"leadId": BO, "action": "bounced"}, NOW)
        await case.rig.run("engagement", list(case.rig.pending["engagement"]))
        await case.rig.say("x1", topics.ERASE, {"leadId": BO, "requestedBy": "desk"}, NOW)
        await case.rig.settle()
        await case.done("e1", {"contact.email": B}, 1)
        lead = await case.lead()
        assert (lead["contact"]["email"], lead["consent"]["email"]) == (B, False)


@pytest.mark.parametrize(
    "reopen", [lambda case: case.done("u2", None, 2, status="new"), lambda case: case.capture("c9", A)]
)
async def test_a_lead_that_is_opened_again_has_no_reason_of_loss(mongo: Mongo, reopen: Callable[[_Case], Any]) -> None:
    async with _case(mongo) as case:
        await case.done("u1", None, 1, status="lost", lostReason="price")
        assert (await case.lead())["lostReason"] == "price"
        await reopen(case)
        lead = await case.lead()
        assert (lead["status"], lead.get("lostReason")) == ("new", None)
