"""What nobody can read as it is stored harms no neighbour, is found by a command, and is repaired."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy.local import LocalServers
from schemas.base import flaw_in
from schemas.topics import CAPTURED, CREATED
from shared.leads.lead_check import bad_names, check_leads, inspect, repair, repaired
from shared.mongo.storage import Change
from tests.builders import data, event, lead
from tests.collection_names import ACTIVITIES, CAPTURES, LEADS
from tests.faults.malformed import EXTENDED_JSON
from tests.gateway import gateway, new_key
from tests.harness import PANTRY, bench, lead_id, until, until_told

_NAMES = st.sampled_from(["", "$", "$a", "_a", "a", "_", "$$a", "a.b", "\0"])
_VALUES: Any = st.recursive(
    st.integers(-9, 9) | st.text(max_size=3), lambda some: st.lists(some, max_size=3) | st.dictionaries(_NAMES, some)
)


@given(st.dictionaries(_NAMES, _VALUES))
def test_a_repaired_part_can_be_kept_loses_nothing_and_needs_no_second_repair(value: dict[str, Any]) -> None:
    result = repaired(value)
    assert flaw_in(result) is None
    assert list(bad_names(result)) == []
    assert repaired(result) == result
    assert _leaves(result) == _leaves(value)
    if not list(bad_names(value)):
        assert result == value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)] + [len(value)]
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, list) else [value]


def test_each_special_form_is_found_with_its_path() -> None:
    for form in EXTENDED_JSON:
        finding = inspect(LEADS, lead(context={"x": [form]}))
        assert finding is not None
        assert finding.paths[0].startswith("context.x.0.")
        assert inspect(LEADS, lead(context={"x": [repaired(form)]})) is None


def test_a_lead_of_no_known_status_is_found_and_can_t_be_repaired_by_renaming() -> None:
    finding = inspect(LEADS, lead(status="weird"))
    assert finding is not None
    assert (finding.paths, finding.why) == ((), "status")


async def test_what_was_erased_or_changed_meanwhile_is_left_alone(local: LocalServers) -> None:
    poison = {"context": {"x": {"$ref": "a", "$id": "b"}}}
    row = {"_id": "row", "leadId": "lead-1", "differed": [{"path": "context.x", "value": poison}]}
    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead(**poison)])
        await on.storage.insert_new(CAPTURES, [row])

        async def meanwhile(found: list[str]) -> None:
            async for finding, done in check_leads(on.storage, repairing=True):
                found.append(f"{finding.collection} {done}")
                if finding.collection == LEADS:
                    await on.storage.change(CAPTURES, [Change("row", {}, {"$unset": {"differed": ""}})])

        found: list[str] = []
        await meanwhile(found)
        assert found == ["leads True"]
        assert await on.storage.read(CAPTURES, ["row"]) == {"row": {"_id": "row", "leadId": "lead-1"}}
        stale = lead(_id="lead-2", revision=7, **poison)
        await on.storage.insert_new(LEADS, [{**stale, "revision": 8}])
        assert not await repair(on.storage, LEADS, stale)
        assert not await repair(on.storage, CAPTURES, row)
        assert (await on.storage.read(LEADS, ["lead-2"]))["lead-2"]["context"] == poison["context"]
        assert "differed" not in (await on.storage.read(CAPTURES, ["row"]))["row"]


async def test_a_page_leaves_out_what_can_t_be_shown_and_the_command_finds_it_and_repairs_names(
    local: LocalServers,
) -> None:
    reference = {"$ref": "a", "$id": "b"}
    names = [f"c{number}" for number in range(6)]
    async with bench(local) as on, on.running("capture", "insights"), gateway(on) as caller:
        key = await new_key(on)
        await on.publish([event(data(email=f"{name}@example.com"), CAPTURED, name) for name in names])
        await until_told(on, CREATED, len(names))

        async def listed() -> int:
            return len((await caller.call("GET", "/v1/leads", key=key)).json["leads"])

        async def all_listed() -> bool:
            return await listed() == len(names)

        await until(all_listed, "all leads on the page")
        poison, weird, plain = (lead_id(name) for name in names[:3])
        change = on.storage.change
        await change(LEADS, [Change(poison, {}, {"$set": {"context": {"x": reference}}})])
        await change(LEADS, [Change(weird, {}, {"$set": {"status": "weird"}})])
        differed = [{"path": "context.x", "value": reference}]
        rows = await on.storage.find(CAPTURES, {"leadId": poison})
        await change(CAPTURES, [Change(rows[0]["_id"], {}, {"$set": {"differed": differed}})])
        await on.storage.insert_new(ACTIVITIES, [{"_id": "a", "leadId": poison, "metadata": {"deep": [reference]}}])

        page = (await caller.call("GET", "/v1/leads", key=key)).json
        assert len(page["leads"]) == len(names) - 1
        assert page["unreadable"] == 1
        shown = {one["id"]: one for one in page["leads"]}
        assert shown[poison]["context"] == {"x": reference}, "it reads as it was stored"
        answer = await caller.call("GET", f"/v1/leads/{weird}", key=key)
        assert answer.status == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "pantry leads check" in answer.json["detail"]
        assert (await caller.call("GET", f"/v1/leads/{plain}", key=key)).status == 200

        found = await _command(on, "leads", "check")
        assert found[0] == 1
        assert f"leads {poison}: fields: context.x.$ref, context.x.$id" in found[1]
        assert f"leads {weird}: can't be shown: status" in found[1]
        assert found[1].count("fields:") == 3
        await _command(on, "leads", "check", "--repair")
        again = await _command(on, "leads", "check")
        assert again[1].count("fields:") == 0
        mended = {"_ref": "a", "_id": "b"}
        stored = await on.storage.read(LEADS, [poison])
        assert stored[poison]["context"] == {"x": mended}
        (row,) = await on.storage.find(CAPTURES, {"leadId": poison})
        assert row["differed"] == [{"path": "context.x", "value": mended}]
        assert (await on.storage.read(ACTIVITIES, ["a"]))["a"]["metadata"] == {"deep": [mended]}


async def _command(on: Any, *words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*PANTRY, *words, env=on.environment, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
