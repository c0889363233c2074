"""The pages' commands, run as printed: `pantry up` in one terminal, everything else in a second one.

The blocks of README.md come first, then those of the gateway's page, then those of `deploy/docs`, in their order.
"""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from services.cli.main import app
from tests.chromium import CHROMIUM

pytestmark = pytest.mark.long
WALK = [Path("README.md"), Path("services/gateway/README.md")]
PAGES = [*WALK, *sorted(Path("deploy/docs").rglob("*.md")), Path("tests/README.md"), Path(".github/CONTRIBUTING.md")]
BLOCKS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = [block for page in PAGES for block in BLOCKS.findall(page.read_text())]
UP = "deploy/run pantry up "
NOT_RUN = {
    "deploy/run pantry demo": "test_demo.py runs it with fewer leads, and this run is the other command",
    "python -m http.server": "serves until Ctrl-C, on one port for all; the browser here is given the same page",
    "export PANTRY_KAFKA_BOOTSTRAP=kafka:9092": "needs servers of those names",
    "pantry access apply": "needs administrators of servers with logins; tests/security gives and tries the rights",
    "pantry deadletter list": "needs a dead letter of that id; tests/worker/test_letters.py has some",
    "pantry model evaluate": "needs an export of one's own, and trains; tests/worker/test_training.py does",
    "deploy/run python -m tests.benchmarks": "measures for minutes",
    "deploy/run pytest  ": "runs all tests",
    "deploy/run pytest tests/domain": "runs other tests",
    "deploy/run pytest tests/faults": "runs for minutes",
    "kafka-consumer-groups.sh": "is a command of Kafka's",
}
"""The blocks that are not run, by how they begin, and why; each of their commands is parsed instead."""
EXAMPLES = Path("deploy/examples")
WARM = Path(__file__).with_name("warm_command.py")
PROBLEM = re.compile(r'"status":[45]\d\d\b')
DEADLINE_S = 400.0

# A page that no server gave is of an unknown network, from which Chromium asks before it goes to this machine.
_AS_FROM_THIS_MACHINE = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]


def is_run(block: str) -> bool:
    return not block.startswith((*NOT_RUN, UP))


def commands(block: str) -> Iterator[list[str]]:
    """The words of each `pantry` command in a block, after `pantry`."""
    for line in block.replace("\\\n", " ").splitlines():
        for part in line.partition(" #")[0].split("&&"):
            words = shlex.split(part, comments=True)
            if "pantry" in words:
                yield words[words.index("pantry") + 1 :]


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` finds in the end."""
    deadline = time.monotonic() + DEADLINE_S
    while not (it := found()):
        assert time.monotonic() < deadline, f"no {what} within {DEADLINE_S:.0f} s"
        time.sleep(0.1)
    return it


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the sources, compiled already, with the environment that there is, and no setting."""
    if not (Path(sys.prefix) / "stamp").exists():
        pytest.skip("the pages' commands use the environment that deploy/run makes")
    copy = tmp_path / "pantry"
    shutil.copytree(".", copy, ignore=shutil.ignore_patterns(".*", "tests"))
    # A folder of links: where the environment is not of these sources, deploy/run clears the folder and not what it is.
    (copy / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        (copy / ".venv" / entry.name).symlink_to(entry)
    for name in [one for one in os.environ if one.startswith("PANTRY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(copy))
    return copy


@contextmanager
def first_terminal(tree: Path) -> Iterator[None]:
    """`pantry up`, as printed but on a free port."""
    (block,) = [one for one in SHELL if one.startswith(UP)]
    log = tree.parent / "up.log"
    environment = os.environ | {"PANTRY_HTTP_PORT": "0"}
    with log.open("w") as said:
        up = subprocess.Popen(["bash", "-c", f"exec {block}"], cwd=tree, env=environment, stdout=said, stderr=said)
    try:
        until(lambda: up.poll() is not None or "\nexport " in log.read_text(), "line of `pantry up`")
        assert up.poll() is None, log.read_text()
        yield
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(DEADLINE_S) == 0
    assert not (tree / ".pantry" / "up.env").exists()


class Terminal:
    """A shell that keeps its variables from block to block, and in which somebody types."""

    def __init__(self, tree: Path, warm: str) -> None:
        self._tree, self._log = tree, tree.parent / "said.log"
        self._keys, typed = pty.openpty()
        with self._log.open("a") as said:  # several processes write to its end
            command = ["bash", "--norc", "--noprofile"]
            self.shell = subprocess.Popen(command, cwd=tree, stdin=typed, stdout=said, stderr=said)
        os.close(typed)
        self._type(f"set -E; trap 'echo FAILED $BASH_COMMAND' ERR; pantry() {{ {warm} \"$@\"; }}")

    def _type(self, line: str) -> None:
        os.write(self._keys, f"{line}\n".encode())

    def run(self, block: str, *answers: str) -> str:
        """What the block says, once it is through; none of its commands may fail."""
        before, file = len(self._log.read_text()), self._tree.parent / "block.sh"
        file.write_text(block)
        self._type(f". {file}; echo THROUGH")
        for answer in answers:
            self._type(answer)
        said = str(until(lambda: self._said_since(before), f"end of: {block}")).removesuffix("THROUGH\n")
        assert "FAILED" not in said, f"{block}\n{said}"
        return said

    def _said_since(self, before: int) -> str | None:
        said = self._log.read_text()[before:]
        assert self.shell.poll() is None, said
        return said if said.endswith("THROUGH\n") else None

    def value(self, name: str) -> str:
        return self.run(f'echo "${name}"\n').strip()

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self._keys)


@contextmanager
def second_terminal(tree: Path) -> Iterator[Terminal]:
    """A terminal in which `pantry` is a fork of a process that has imported it."""
    address = tree.parent / "warm"
    serving = subprocess.Popen([sys.executable, WARM, address], stdin=subprocess.DEVNULL)
    terminal = Terminal(tree, shlex.join([sys.executable, "-IS", str(WARM), str(address)]))
    try:
        until(address.exists, "command that is warm")
        yield terminal
    finally:
        terminal.close()
        serving.kill()
        serving.wait()


class Reader:
    """Asks the gateway, with the key that README.md makes."""

    def __init__(self, terminal: Terminal) -> None:
        self.url, self._key = terminal.value("URL"), terminal.value("KEY")

    def leads(self, words: str) -> list[dict[str, Any]]:
        given = {"Authorization": f"Bearer {self._key}"}
        asked = urllib.request.Request(f"{self.url}/v1/leads?q={words}", headers=given)  # noqa: S310 - our own gateway
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - likewise
            return list(json.load(answer)["leads"])


def test_every_block_that_is_not_run_is_there_and_its_commands_exist() -> None:
    for start in NOT_RUN:
        (block,) = [one for one in SHELL if one.startswith(start)]
        _parse(block)


@pytest.mark.parametrize("page", sorted({*Path("services").rglob("README.md")} - {*PAGES}), ids=str)
def test_the_commands_of_other_pages_exist(page: Path) -> None:
    for block in BLOCKS.findall(page.read_text()):
        _parse(block)


def _parse(block: str) -> None:
    for words in commands(block):
        app.parse_args(words, print_error=False, exit_on_error=False)


def test_every_example_is_in_a_block_that_is_run() -> None:
    run = "".join(filter(is_run, SHELL))
    assert [
        str(file) for file in EXAMPLES.iterdir() if file.suffix in {".py", ".html", ".csv"} and str(file) not in run
    ] == []


def test_every_other_block_runs_as_printed_in_a_second_terminal(tree: Path) -> None:
    blocks = iter([one for one in SHELL if is_run(one)])
    with first_terminal(tree), second_terminal(tree) as terminal:
        assert "kps_shop" not in terminal.run(next(blocks))
        assert terminal.run("type -P pantry\n").endswith("/.venv/bin/pantry\n")
        gateway = Reader(terminal)
        _a_program(terminal, gateway, blocks)
        _a_page(terminal, gateway, next(blocks))
        _files(terminal, gateway, next(blocks))
        assert terminal.run(next(blocks)).startswith('202 {"accepted":1')
        assert terminal.run(next(blocks)) == ""
        _opportunities(tree, next(blocks))
        for block in blocks:
            assert not PROBLEM.search(terminal.run(block)), block


def _a_program(terminal: Terminal, gateway: Reader, blocks: Iterator[str]) -> None:
    assert "HTTP/1.1 202" in terminal.run(next(blocks))
    until(lambda: gateway.leads("ana"), "lead of Ana")
    figures = terminal.run(next(blocks))
    assert "Blue Fork Bistro" in figures
    assert '"totalLeads":' in figures
    assert terminal.run(next(blocks)).count("HTTP/1.1 202") == 4
    until(lambda: gateway.leads("ana")[0]["status"] == "converted", "conversion")


def _a_page(terminal: Terminal, gateway: Reader, block: str) -> None:
    terminal.run(block)
    page = (Path(terminal.value("SITE")) / "index.html").read_text()
    assert not re.search(r"\b(URL|KEY)\b", page)
    if CHROMIUM:
        _visit(page)
        until(lambda: gateway.leads("page"), "lead of the page's own form")


def _visit(html: str) -> None:
    site = "http://127.0.0.1:8090/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_AS_FROM_THIS_MACHINE)
        page = browser.new_page()
        page.route(site, lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(site)
        page.frame_locator("iframe").get_by_role("button").wait_for()
        page.locator("form.card").wait_for()  # ours, which the script puts there
        shown = page.locator("iframe").bounding_box()
        assert shown is not None
        assert shown["height"] >= 900
        form = page.locator("form").filter(has_text="You may write to me.").last
        for name, text in {"firstName": "Page", "lastName": "Turner", "email": "page@example.com"}.items():
            form.locator(f"[name='contact.{name}']").fill(text)
        form.locator("[name='company.name']").fill("Reading Room")
        form.get_by_role("button").click()
        page.wait_for_url(lambda url: url != site)
        browser.close()


def _files(terminal: Terminal, gateway: Reader, block: str) -> None:
    said = terminal.run(block, "trade_show", "y")
    assert '{"accepted":1' in said
    assert "3 imported" in said
    for name in ("mara", "okafor", "brandt"):
        until(partial(gateway.leads, name), f"lead of {name}")


def _opportunities(tree: Path, block: str) -> None:
    """Read in a third terminal, until Ctrl-C."""
    third = f"set -m; . .venv/bin/activate; . .pantry/up.env\n{block}"
    with subprocess.Popen(
        ["bash", "-c", third], cwd=tree, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as reading:
        assert reading.stdout is not None
        try:
            assert any("Weekly produce" in line for line in reading.stdout)
        finally:
            os.killpg(reading.pid, signal.SIGTERM)
