"""What the product is made of is pinned, written down and judged; what was not judged is never called clean."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.advisories import CLEAN, FAULTY, NOT_DONE, verdict, without_conditions

LOCKS = Path("deploy/lock")
GOOD = {"name": "jinja2", "version": "3.1.6", "vulns": []}
BAD = {"name": "jinja2", "version": "3.1.5", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]}
HOPELESS = {"name": "motor", "version": "3.7.1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
UNKNOWN = {"name": "aiokafka", "skip_reason": "the service does not know it"}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("reports", "status", "words"),
    [
        ([report(GOOD, GOOD)], CLEAN, "no vulnerability is known of any of 2 packages"),
        ([report(GOOD, BAD)], FAULTY, "jinja2 3.1.5: PYSEC-1, fixed in 3.1.6"),
        ([report(HOPELESS)], FAULTY, "motor 3.7.1: PYSEC-2, fixed in no version yet"),
        ([report(GOOD, UNKNOWN)], FAULTY, "aiokafka: was not judged: the service does not know it"),
        ([report(BAD, UNKNOWN)], FAULTY, "jinja2 3.1.5: PYSEC-1, fixed in 3.1.6"),
        ([report(UNKNOWN, UNKNOWN)], NOT_DONE, "NOT AUDITED"),
        ([report()], NOT_DONE, "NOT AUDITED"),
        ([""], NOT_DONE, "NOT AUDITED"),
        ([report(GOOD), ""], NOT_DONE, "NOT AUDITED"),
        ([report(GOOD), report(GOOD)], CLEAN, "any of 2 packages"),
        ([report(BAD), ""], FAULTY, "jinja2 3.1.5: PYSEC-1"),
        ([report(GOOD), report(UNKNOWN)], FAULTY, "aiokafka: was not judged"),
    ],
)
def test_only_packages_that_were_all_judged_are_called_clean(reports: list[str], status: int, words: str) -> None:
    outcome, lines = verdict(reports)
    assert outcome == status
    assert any(words in line for line in lines)


def audit_with(tools: Path, *commands: str) -> tuple[int, str]:
    """The status and words of `deploy/audit`, whose pip-audit is these shell commands; `$REPORT` is where it writes."""
    stamp = hashlib.sha256((LOCKS / "audit.txt").read_bytes()).hexdigest()[:12]
    folder = tools / f"audit-{stamp}"
    (folder / "bin").mkdir(parents=True)
    (folder / "stamp").touch()
    find = 'while [ "$1" != --output ]; do shift; done; REPORT="$2"'
    fake = folder / "bin" / "pip-audit"
    fake.write_text("\n".join(["#!/bin/sh", find, *commands]))
    fake.chmod(0o755)
    environment = {**os.environ, "PANTRY_CACHE": str(tools)}
    done = subprocess.run(["deploy/audit"], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_an_audit_that_nobody_answered_says_so_aloud_and_is_no_success(tmp_path: Path) -> None:
    status, said = audit_with(tmp_path, "exit 1")
    assert (status, said.strip()[:15]) == (NOT_DONE, "=== NOT AUDITED")


def test_a_tool_that_calls_packages_clean_which_nobody_knows_is_not_believed(tmp_path: Path) -> None:
    status, said = audit_with(tmp_path, f"echo '{report(UNKNOWN)}' > $REPORT", "echo No known vulnerabilities found")
    assert status == NOT_DONE
    assert "=== NOT AUDITED" in said


def test_a_known_vulnerability_fails_the_audit_and_is_named(tmp_path: Path) -> None:
    status, said = audit_with(tmp_path, f"echo '{report(GOOD, BAD)}' > $REPORT", "exit 1")
    assert status == FAULTY
    assert set(said.splitlines()) == {"jinja2 3.1.5: PYSEC-1, fixed in 3.1.6"}


def test_packages_that_are_all_judged_and_good_pass_the_audit(tmp_path: Path) -> None:
    status, _ = audit_with(tmp_path, f"echo '{report(GOOD)}' > $REPORT")
    assert status == CLEAN


def test_the_audit_asks_about_the_lock_that_the_image_is_made_from() -> None:
    image = Path("deploy/Dockerfile").read_text()
    assert "COPY deploy/lock/runtime.txt" in image
    assert Path("deploy/audit").read_text().count("deploy/lock/runtime.txt") == 2, "the audit's and the bill's"


def test_the_image_holds_a_bill_of_what_is_in_it_made_by_pinned_tools_that_it_leaves_out() -> None:
    stages = Path("deploy/Dockerfile").read_text().split("\nFROM ")
    bill, final = stages[-2], stages[-1]
    assert bill.startswith("dependencies AS bill")
    assert "--require-hashes --requirement /audit.txt" in bill
    assert "cyclonedx-py environment" in bill
    assert "--output-file /sbom.json" in bill
    assert "COPY --from=bill /sbom.json" in final
    assert "/tools" not in final


@pytest.mark.parametrize("name", ["cyclonedx-bom", "pip-audit"])
def test_the_audit_s_tools_are_pinned_apart_from_what_they_judge(name: str) -> None:
    assert f"\n{name}==" in (LOCKS / "audit.txt").read_text()
    for lock in ("runtime.txt", "embedded.txt", "dev.txt"):
        assert f"\n{name}==" not in (LOCKS / lock).read_text()


def test_the_audit_asks_about_each_version_with_its_hashes_whatever_python_it_is_pinned_for() -> None:
    lock = (LOCKS / "runtime.txt").read_text()
    lists = [set(one.splitlines()) for one in without_conditions(lock)]
    versions = [line.split()[0] for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    asked = [line.split()[0] for one in lists for line in one if "==" in line]
    assert sorted(asked) == sorted(versions)
    assert len(set(versions)) > len({one.partition("==")[0] for one in versions}), "numpy, for one, has two"
    assert sum("--hash=sha256:" in line for one in lists for line in one) == lock.count("--hash=sha256:")
    for one in lists:
        names = [line.partition("==")[0] for line in one if "==" in line]
        assert len(names) == len(set(names))
        assert not any(";" in line for line in one)
