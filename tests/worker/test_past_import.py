"""`pantry import --history`: the export of another CRM, with what became of its leads."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local import LocalServers
from schemas.topics import ASSIGNED, ENROLLED, REJECTED
from services.ingest.past_loading import NoLeads, find_leads
from tests import collection_names as c
from tests.builders import lead
from tests.harness import Bench, bench, told, until

LEADS = """\
First Name,Last Name,Company,Email,Lead Source,Created Date,Lead Status,Converted Date,Lost Reason,Lead Owner
Ana,Reyes,Blue Fork,ana@example.com,Referral,2025-11-03,Closed - Converted,2025-11-20,,kim.catering
Bo,Li,Red Pan,bo@example.com,Website,2025-12-01,Closed - Not Converted,2026-01-15,Price,
Cy,Moss,Green Pot,cy@example.com,Website,2026-01-10,Working - Contacted,,,
Di,Ngo,Old Oven,di@example.com,Website,2026-02-01,Sampling,,,
Ed,Ito,Big Bowl,ed@example.com,Trade Show,2026-02-03,Junk,,,
Ana,Reyes,Blue Fork,ANA@example.com,Website,2026-02-20,Open,,,
Flo,Sy,Hot Dish,flo@example.com,Website,2026-03-01,Qualified,,,
Gus,Ray,Tiny Tray,gus@example.com,Website,2026-03-02,Converted,,,
Hal,Poe,No Way,,Website,2026-03-02,Converted,,,
"""
ACTIVITIES = """\
Email,Activity Type,Subject,Completed Date,Assigned To
ana@example.com,Call,Talked about menus,2025-11-10,kim.catering
ana@example.com,Call,Talked about menus,2025-11-10,kim.catering
ana@example.com,Call,Talk again,2099-11-10,kim.catering
bo@example.com,Visit,Tasting,2025-12-10,kim.catering
nobody@example.com,Call,Who,2025-12-10,kim.catering
,Call,Who,2025-12-10,kim.catering
cy@example.com,Call,Who,soon,kim.catering
"""


async def imported(on: Bench, folder: Path, *options: str) -> tuple[int, str]:
    (folder / "export.csv").write_text(LEADS)
    (folder / "activities.csv").write_text(ACTIVITIES)
    log = folder / "log"
    given = ("--history", "--activities", str(folder / "activities.csv"), "--yes", *options)
    process = on.pantry("import", str(folder / "export.csv"), *given, log=log)
    status = await asyncio.to_thread(process.wait)
    said = log.read_text()
    log.unlink()
    return status, said


def day(*parts: int) -> datetime:
    return datetime(parts[0], parts[1], parts[2], tzinfo=UTC)


async def test_the_export_of_another_crm_becomes_the_past_of_this_one(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on, on.running():
        status, said = await imported(on, tmp_path)
        assert status == 1, said
        assert f"--channel export --history --activities {tmp_path / 'activities.csv'}" in said
        assert "the status 'Sampling' of 1 is not known and counts as new: say --status 'Sampling'=STATUS" in said
        assert "1 converted or lost leads have no date of it" in said
        assert "1 activities were left out: is of an address that no lead has" in said
        assert "1 activities were left out: has no readable date" in said
        assert "1 activities were left out: is planned, not past" in said
        wanted = {
            "ana@example.com": "converted",
            "bo@example.com": "lost",
            "cy@example.com": "contacted",
            "di@example.com": "new",
            "ed@example.com": "unqualified",
            "flo@example.com": "qualified",
            "gus@example.com": "converted",
        }

        async def there() -> bool:
            found = {one["contact"]["email"].lower(): one["status"] for one in await on.storage.find(c.LEADS, {})}
            calls = await on.count(c.ACTIVITIES, {"type": {"$in": ["call", "meeting"]}})
            return found == wanted and calls == 2

        await until(there, "what the export says")
        leads = {one["contact"]["email"].lower(): one for one in await on.storage.find(c.LEADS, {})}
        ana, bo, gus = (leads[f"{one}@example.com"] for one in ("ana", "bo", "gus"))
        assert (ana["createdAt"], ana["convertedAt"]) == (day(2025, 11, 3), day(2025, 11, 20))
        assert (ana["assignedTo"], ana["source"]) == ("kim.catering", "referral")
        assert bo["lostReason"] == "price"
        assert gus["convertedAt"] == day(2026, 3, 2)
        assert [await told(on, topic) for topic in (ASSIGNED, ENROLLED, REJECTED)] == [[], [], []]
        held = await on.storage.find(c.ACTIVITIES, {"type": "meeting"})
        assert [(one["completedAt"], one["createdBy"]) for one in held] == [(day(2025, 12, 10), "kim.catering")]
        before = await on.storage.find(c.LEADS, {}, sort=[("_id", 1)])
        # A second import changes nothing, a corrected one adds what it corrects.
        status, said = await imported(on, tmp_path, "--status", "Sampling=contacted")
        assert status == 1, said
        assert "--status Sampling=contacted" in said
        assert "is not known" not in said
        wanted["di@example.com"] = "contacted"
        await until(there, "the corrected status")
        after = await on.storage.find(c.LEADS, {}, sort=[("_id", 1)])
        changed = [
            new["contact"]["email"] for old, new in zip(before, after, strict=True) if old["status"] != new["status"]
        ]
        assert changed == ["di@example.com"]
        assert await on.count(c.ACTIVITIES, {"type": "call"}) == 1


async def test_what_is_missing_is_said_before_anything_is_published(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on:
        (tmp_path / "bad.csv").write_text("Who,What\nana,call\n")
        for options, why in (
            (("--status", "Sampling=tasted"), "--status Sampling=tasted: write WORD=STATUS"),
            (("--activities", str(tmp_path / "bad.csv")), "no column has the e-mail address of the lead"),
        ):
            (tmp_path / "export.csv").write_text(LEADS)
            log = tmp_path / "log"
            command = ("import", str(tmp_path / "export.csv"), "--history", "--yes", *options)
            assert await asyncio.to_thread(on.pantry(*command, log=log).wait) == 2
            assert why in log.read_text()
        assert await on.count(c.CAPTURES) == 0


async def test_an_import_whose_leads_nobody_makes_ends_and_has_those_that_are_there(local: LocalServers) -> None:
    moments = (datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=90 * step) for step in range(100))
    found: dict[str, str] = {}
    async with bench(local) as on:
        rows = [{"_id": "there", "leadId": "lead-1"}, {"_id": "early", "leadId": "none"}]
        await on.storage.insert_new(c.CAPTURES, rows)
        await on.storage.insert_new(c.LEADS, [lead()])

        async def find() -> None:
            async for some in find_leads(on.storage, ["nobody", "there", "early", "never"], lambda: next(moments)):
                found.update(some)

        with pytest.raises(NoLeads, match="3 of the imported leads"):
            await find()
    assert found == {"there": "lead-1"}
