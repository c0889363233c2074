"""A configuration file that a running worker refused is seen by those who may change it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.local import LocalServers
from services.gateway.auth.domain.users import Role
from shared.clock import system_clock
from shared.config_reports import FAULTS_MAX
from tests.collection_names import CONFIGURATION
from tests.gateway import Caller, gateway, new_key, session_of
from tests.harness import bench, until

_GOOD = "rules: []\n"
_BAD = "rules:\n" + "- {name: big, points: many, conditions: []}\n" * (FAULTS_MAX + 1)


async def test_a_refused_file_shows_in_readiness_metric_and_to_admins_until_it_is_good_again(
    local: LocalServers, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(_GOOD)
    async with bench(local) as on:
        async with gateway(on, workers=("scoring",), rules_file=file) as caller:
            admin = await session_of(on, caller, Role.ADMIN)
            viewer = await session_of(on, caller, Role.VIEWER)
            file.write_text(_BAD)
            told = await _until_told(caller, admin, ["rules.yaml"])
            assert (told["worker"], told["processes"], len(told["faults"])) == ("scoring", 1, FAULTS_MAX)
            assert told["faults"][0].startswith("rules[0] 'big'.")
            assert told["more"] > 0
            ready = await caller.call("GET", "/readyz")
            assert (ready.status, ready.json["status"]) == (200, "ok"), "the last good version holds"
            assert ready.json["refused"]["rules.yaml"] == told["faults"][0]
            assert 'pantry_config_refused{file="rules.yaml"} 1.0' in (await caller.call("GET", "/metrics")).text
            assert (await caller.call("GET", "/v1/configuration", session=viewer)).status == 403
            file.write_text(_GOOD)
            await _until_told(caller, admin, [])
            assert json.loads((await caller.call("GET", "/readyz")).text) == {"status": "ok"}
            assert 'pantry_config_refused{file="rules.yaml"} 0.0' in (await caller.call("GET", "/metrics")).text
            await on.storage.put(CONFIGURATION, [_of_a_killed_process()])
            await _until_told(caller, admin, [])
            file.write_text(_BAD)
            await _until_told(caller, admin, ["rules.yaml"])
        assert await on.count(CONFIGURATION, {"worker": "scoring"}) == 0, "a process that ends takes its rows along"


async def test_the_gateway_follows_the_placeholders_file(local: LocalServers, tmp_path: Path) -> None:
    file = tmp_path / "placeholders.yaml"
    file.write_text("emails: []\n")
    async with bench(local) as on, gateway(on, placeholders_file=file) as caller:
        key, admin = await new_key(on), await session_of(on, caller, Role.ADMIN)
        scan = [{"contact": {"firstName": "Ana", "email": "desk@hall.example"}, "company": {"name": "Blue Fork"}}]

        async def refused() -> bool:
            return (await caller.post("/v1/scans", scan, key=key)).status == 422

        assert not await refused()
        file.write_text('emails: ["@hall.example"]\n')
        await until(refused, "the listed address is taken for missing")
        file.write_text("emails: 7\n")
        told = await _until_told(caller, admin, ["placeholders.yaml"])
        assert told["worker"] == "gateway"
        assert await refused(), "the last good version holds"


async def _until_told(caller: Caller, session: str, files: list[str]) -> Any:
    """What admins see once it is these files."""
    found: list[Any] = []

    async def equal() -> bool:
        found[:] = (await caller.call("GET", "/v1/configuration", session=session)).json["refused"]
        return [one["file"] for one in found] == files

    await until(equal, f"{files} refused")
    return found[0] if found else None


def _of_a_killed_process() -> dict[str, Any]:
    now = system_clock()
    fields = {"worker": "nurture", "file": "sequences.yaml", "version": "1", "faults": ["x"], "more": 0, "since": now}
    return {"_id": "killed", **fields, "expiresAt": now - timedelta(seconds=1)}
