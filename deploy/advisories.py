"""Whether a vulnerability is known of anything in a lock: `deploy/audit` calls it.

pip-audit asks; what it says is not taken as it is. A service that knows none of the packages makes it say that no
vulnerability is known, and of packages that are pinned for some Pythons only it leaves out those of the others.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CLEAN, FAULTY, NOT_DONE = 0, 1, 75
"""Exit statuses; 75 is `EX_TEMPFAIL` of sysexits.h."""

_ENTRY = re.compile(
    r"^(?P<name>[^\s#=]+)==(?P<version>\S+)(?: ; [^\\\n]*)? ?(?P<hashes>(?:\\\n +--hash=\S+ ?)*)", re.MULTILINE
)


def without_conditions(lock: str) -> list[str]:
    """The lock's packages, each as if for every Python, in as many lists as it takes for none to be in one twice."""
    lists: list[dict[str, str]] = []
    for entry in _ENTRY.finditer(lock):
        free = next((one for one in lists if entry["name"] not in one), None)
        if free is None:
            lists.append(free := {})
        free[entry["name"]] = f"{entry['name']}=={entry['version']} {entry['hashes']}"
    return ["\n".join(one.values()) for one in lists]


def verdict(reports: Sequence[str]) -> tuple[int, list[str]]:
    """The exit status for pip-audit's reports in JSON (an empty one: it made none), and what to say."""
    packages = [one for report in reports if report.strip() for one in json.loads(report)["dependencies"]]
    unknown = [one for one in packages if "skip_reason" in one]
    found = [_told(one, fault) for one in packages for fault in one.get("vulns", ())]
    if len(unknown) == len(packages) or not (found or all(report.strip() for report in reports)):
        return NOT_DONE, [
            "=== NOT AUDITED: no service that knows vulnerabilities could be asked about the packages ==="
        ]
    lines = [*found, *(f"{one['name']}: was not judged: {one['skip_reason']}" for one in unknown)]
    return (FAULTY, lines) if lines else (CLEAN, [f"no vulnerability is known of any of {len(packages)} packages"])


def _told(package: dict[str, Any], fault: dict[str, Any]) -> str:
    mended = ", ".join(fault["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}"


def _report(tool: str, words: Sequence[str], packages: str) -> str:
    """What pip-audit reports of these packages; empty when it couldn't."""
    with tempfile.TemporaryDirectory() as directory:
        asked, report = Path(directory) / "packages.txt", Path(directory) / "report.json"
        asked.write_text(packages)
        flags = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        files = ["--requirement", str(asked), "--output", str(report)]
        # Its status says nothing that the report doesn't say better.
        subprocess.run([tool, *flags, *files, *words], check=False)  # noqa: S603 - the pinned tool, by its path
        return report.read_text() if report.exists() else ""


if __name__ == "__main__":
    tool, lock, *words = sys.argv[1:]
    status, said = verdict([_report(tool, words, one) for one in without_conditions(Path(lock).read_text())])
    print(*said, sep="\n")  # noqa: T201 - it is a command
    sys.exit(status)
