"""Schemathesis over the gateway's own OpenAPI page: nothing makes it fail, and every answer is a documented one."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import LocalServers
from tests.gateway import gateway_process, new_key
from tests.harness import bench

# For each operation; PANTRY_TEST_FUZZ_CASES=1500 makes some twenty-five thousand in all.
CASES = os.environ.get("PANTRY_TEST_FUZZ_CASES")
# Its answer goes on for minutes: tests/worker/test_gateway_reads.py reads it.
ENDLESS = ("--exclude-path", "/v1/live")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.long
@pytest.mark.parametrize("authorised", [True, False], ids=["with a key", "without"])
async def test_whatever_is_sent_no_answer_is_a_failure_or_undocumented(
    local: LocalServers, tmp_path: Path, figure: Callable[[str], None], *, authorised: bool
) -> None:
    async with bench(local) as on:
        key = await new_key(on, per_minute=10**8)
        async with gateway_process(on) as (_, url):
            headers = ("-H", f"Authorization: Bearer {key}") if authorised else ()
            command = ("-m", "schemathesis.cli", "run", f"{url}/openapi.json", *headers, "--checks", CHECKS, *ENDLESS)
            # Without a key, nearly all answers are the same 401 or 403.
            phases, cases = ("coverage,fuzzing", CASES or "3") if authorised else ("fuzzing", CASES or "1")
            options = ("--phases", phases, "-n", cases, "--seed", "1", "--no-shrink", "--no-color")
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *command, *options),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=tmp_path,
            )
            told = (await process.communicate())[0].decode()
    assert process.returncode == 0, told[-8_000:]
    made = re.search(r"(\d+) generated", told)
    assert made, told[-2_000:]
    figure(f"{made[1]} cases")
