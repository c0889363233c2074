"""Report known vulnerabilities of the packages in a lock, for `deploy/audit`.

pip-audit asks the service. Its report needs a check: if the service knows none of the packages, it reports no
vulnerability. It also leaves out packages that are pinned for other Pythons only.
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
    """Return the lock's packages without conditions, in lists without duplicates."""
    lists: list[dict[str, str]] = []
    for entry in _ENTRY.finditer(lock):
        free = next((one for one in lists if entry["name"] not in one), None)
        if free is None:
            lists.append(free := {})
        free[entry["name"]] = f"{entry['name']}=={entry['version']} {entry['hashes']}"
    return ["\n".join(one.values()) for one in lists]


def verdict(reports: Sequence[str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print for pip-audit's reports in JSON.

    An empty report means that pip-audit made none.
    """
    packages = [one for report in reports if report.strip() for one in json.loads(report)["dependencies"]]
    unknown = [one for one in packages if "skip_reason" in one]
    found = [_line(one, fault) for one in packages for fault in one.get("vulns", ())]
    if len(unknown) == len(packages) or not (found or all(report.strip() for report in reports)):
        return NOT_DONE, [
            "=== NOT AUDITED: no service that knows vulnerabilities could be asked about the packages ==="
        ]
    lines = [*found, *(f"{one['name']}: was not judged: {one['skip_reason']}" for one in unknown)]
    return (FAULTY, lines) if lines else (CLEAN, [f"no vulnerability is known of any of {len(packages)} packages"])


def _line(package: dict[str, Any], fault: dict[str, Any]) -> str:
    fixed = ", ".join(fault["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {fault['id']}, fixed in {fixed}"


def _report(tool: str, words: Sequence[str], packages: str) -> str:
    """Return pip-audit's report on these packages; empty if it made none."""
    with tempfile.TemporaryDirectory() as directory:
        asked, report = Path(directory) / "packages.txt", Path(directory) / "report.json"
        asked.write_text(packages)
        flags = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        files = ["--requirement", str(asked), "--output", str(report)]
        # The report says more than its status.
        subprocess.run([tool, *flags, *files, *words], check=False)  # noqa: S603 - the pinned tool, by its path
        return report.read_text() if report.exists() else ""


if __name__ == "__main__":
    tool, lock, *words = sys.argv[1:]
    status, said = verdict([_report(tool, words, one) for one in without_conditions(Path(lock).read_text())])
    print(*said, sep="\n")  # noqa: T201 - the command's output
    sys.exit(status)
