"""What `pantry up` leaves for the next terminal, and how a command takes it."""

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.local import Backend, Servers
from deploy.local.child_process import free_port
from services.cli import brokers
from services.cli.brokers import check_broker_answers
from services.cli.data_folder import (
    check_port,
    env_file,
    keep_env_file,
    lock_data_folder,
    runs_beside,
    secrets_of,
    settings_beside,
)
from services.cli.main import run_command
from shared.config import ConfigError
from shared.env_file import assignments, read_env_file
from shared.errors import UsageError
from shared.kafka.client import Kafka
from shared.settings import Settings

FOUND = Servers("127.0.0.1:9092", "mongodb://127.0.0.1:27017/?w=1&journal=true", Backend.EMBEDDED, Backend.EMBEDDED)


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("PANTRY_")]:
        monkeypatch.delenv(name)


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit status of `pantry` with these words."""
    monkeypatch.setattr(sys, "argv", ["pantry", *words])
    with pytest.raises(SystemExit) as end:
        run_command()
    return int(end.value.code or 0)


def test_the_next_terminal_learns_of_servers_idempotence_folder_and_where_links_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_beside(Settings(), FOUND, "http://127.0.0.1:8080") == {
        "PANTRY_KAFKA_BOOTSTRAP": "127.0.0.1:9092",
        "PANTRY_MONGO_URL": "mongodb://127.0.0.1:27017/?w=1&journal=true",
        "PANTRY_KAFKA_IDEMPOTENCE": "false",
        "PANTRY_HTTP_PORT": "0",
        "PANTRY_PUBLIC_URL": "http://127.0.0.1:8080",
        "PANTRY_DATA_DIR": str(tmp_path / ".pantry"),
    }


def test_the_next_terminal_learns_of_every_other_setting_but_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANTRY_MONGO_URL", "mongodb://ana:hunter2@db/?w=1")
    monkeypatch.setenv("PANTRY_ERASURE_PEPPER", "hunter2")
    monkeypatch.setenv("PANTRY_TIMEZONE", "Europe/Vienna")
    found = Servers("127.0.0.1:9092", "mongodb://ana:hunter2@db/?w=1", Backend.APACHE, Backend.NAMED)
    said = settings_beside(Settings(), found, "http://127.0.0.1:8080")
    assert said["PANTRY_MONGO_URL"] == "mongodb://db/?w=1"
    assert said["PANTRY_TIMEZONE"] == "Europe/Vienna"
    assert "PANTRY_KAFKA_IDEMPOTENCE" not in said
    assert "hunter2" not in str(said)
    assert secrets_of(Settings()) == ["PANTRY_ERASURE_PEPPER", "the login in PANTRY_MONGO_URL"]


def test_the_file_for_the_next_terminal_reads_the_same_in_a_shell_and_is_gone_in_the_end(tmp_path: Path) -> None:
    said = {"PANTRY_DATA_DIR": "/home/o'brien/my $HOME", "PANTRY_MONGO_URL": "mongodb://db/?w=1&journal=true#x"}
    with keep_env_file(tmp_path, said) as file:
        assert file.stat().st_mode & 0o777 == 0o600
        assert read_env_file(file) == said
        shown = 'printf \'%s\\n\' "$PANTRY_DATA_DIR" "$PANTRY_MONGO_URL"'
        asked = subprocess.run(["sh", "-c", f". {file}; {shown}"], capture_output=True, text=True, check=True)
        assert asked.stdout.splitlines() == list(said.values())
        line = subprocess.run(
            ["sh", "-c", f"export {' '.join(assignments(said))}; {shown}"], capture_output=True, text=True, check=True
        )
        assert line.stdout == asked.stdout
    assert not file.exists()


@pytest.mark.parametrize("text", ["PANTRY_REGION", "PANTRY_REGION=A B", "PANTRY_REGION='A", "1X=2"])
def test_a_line_of_a_settings_file_that_is_not_understood_is_named_by_its_number(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f"# comment\n\n{text}\n")
    with pytest.raises(ConfigError, match=r"settings, line 3: "):
        read_env_file(file)


def test_a_settings_file_may_have_comments_quotes_and_exports(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("# one\nexport A='x y' # why\nB=pa#ss\nC=\n\n")
    assert read_env_file(file) == {"A": "x y", "B": "pa#ss", "C": ""}


def test_a_settings_file_may_be_of_another_system(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_bytes("\ufeffA=1\r\nB='x\u2028y'\r\n".encode())
    assert read_env_file(file) == {"A": "1", "B": "x\u2028y"}


@pytest.mark.parametrize(
    "text",
    [
        "A=$(openssl rand -hex 32)",
        "A=pa$word",
        "A=`id`",
        r'A="pa\$word"',
        'A="pa$word"',
        "A=\"it's $X\" B='y'",
        'A="x\\\\$X"',
        "A=1\0",
    ],
)
def test_a_settings_file_that_a_shell_would_read_otherwise_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f"{text}\n")
    with pytest.raises(ConfigError, match=r"settings, line 1: ") as refused:
        read_env_file(file)
    assert text.partition("=")[2] not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A='pa$word`'", "pa$word`"),
        (r"A=pa\$word", "pa$word"),
        ("A=1 # costs $5", "1"),
        ("A='it'\"'\"'s $5'", "it's $5"),
    ],
)
def test_a_settings_file_may_have_any_sign_that_a_shell_takes_as_it_is(text: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f"# $HOME\n{text}\n")
    assert read_env_file(file) == {"A": value}
    shown = subprocess.run(["sh", "-c", f'. {file}; printf %s "$A"'], capture_output=True, text=True, check=True)
    assert shown.stdout == value


@pytest.mark.parametrize("place", ["before", "after"])
def test_settings_come_from_a_file_named_before_or_after_the_command_and_the_environment_wins(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings"
    file.write_text("PANTRY_MONGO_DATABASE=of_the_file\nPANTRY_REGION=AT\nOTHER=1\n")
    monkeypatch.setenv("PANTRY_REGION", "DE")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    named, command = ["--env-file", str(file)], ["access", "mongo"]
    assert ended(monkeypatch, *(named + command if place == "before" else command + named)) == 0
    assert "of_the_file" in capsys.readouterr().out
    assert Settings().region == "DE"
    assert "OTHER" not in os.environ


def test_a_misspelt_setting_ends_every_command_whether_it_comes_from_environment_file_or_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "settings", tmp_path / "secrets"
    folder.mkdir()
    (folder / "pantry_mongo_pasword").write_text("hunter2")
    (folder / "ca.pem").write_text("")
    file.write_text(f"PANTRY_SECRETS_DIR={folder}\nPANTRY_REGIO=AT\n")
    monkeypatch.setattr(os, "environ", {**os.environ, "PANTRY_MONGO_UR": "hunter2"})
    assert ended(monkeypatch, "--env-file", str(file), "access", "mongo") == 2
    assert capsys.readouterr().err.splitlines() == [
        "PANTRY_MONGO_UR is not a setting; did you mean PANTRY_MONGO_URL?",
        f"PANTRY_REGIO is not a setting; did you mean PANTRY_REGION? ({file})",
        f"pantry_mongo_pasword is not a setting; did you mean pantry_mongo_password? ({folder})",
    ]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PANTRY_BACKEND", "hunter2", "PANTRY_BACKEND: give 'embedded', 'apache' or 'docker'"),
        ("PANTRY_HTTP_PORT", "hunter2", "PANTRY_HTTP_PORT: give a whole number"),
        ("PANTRY_BREAKER_SHARE", "7", "PANTRY_BREAKER_SHARE: give 1 or less"),
        ("PANTRY_KAFKA_IDEMPOTENCE", "hunter2", "PANTRY_KAFKA_IDEMPOTENCE: give true or false"),
        (
            "PANTRY_KAFKA_PASSWORD",
            "hunter2",
            "PANTRY_KAFKA_USERNAME and _PASSWORD are of no use with PANTRY_KAFKA_SECURITY=plaintext",
        ),
    ],
)
def test_a_wrong_value_names_its_setting_and_what_is_allowed_and_is_not_quoted(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert ended(monkeypatch, "access", "mongo") == 2
    assert capsys.readouterr().err.strip() == told


@pytest.mark.parametrize("command", [["up"], ["worker", "capture"], ["gateway"]])
def test_a_port_in_use_is_told_with_its_setting_before_anything_starts(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = {"HTTP_PORT": str(port), "DATA_DIR": str(tmp_path / "data"), "GATEWAY_SECRET": "x" * 16}
        said |= {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "MONGO_URL": "mongodb://127.0.0.1:1/"} if command != ["up"] else {}
        for name, value in said.items():
            monkeypatch.setenv(f"PANTRY_{name}", value)
        assert ended(monkeypatch, *command) == 2
    told = capsys.readouterr().err
    assert told == f"port {port} of 127.0.0.1 is in use: set PANTRY_HTTP_PORT to another, or to 0 for any free port\n"
    assert not (tmp_path / "data").exists()


async def test_a_broker_that_takes_the_connection_and_says_nothing_is_told_with_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(brokers, "_PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bootstrap = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"PANTRY_KAFKA_BOOTSTRAP doesn't answer .{bootstrap}, TimeoutError"):
            await check_broker_answers(Kafka(bootstrap))


def test_an_address_that_is_not_this_machine_s_is_told_with_its_setting() -> None:
    with pytest.raises(UsageError, match="PANTRY_HTTP_HOST"):
        check_port("192.0.2.1", 0, "PANTRY_HTTP_PORT")


def test_a_data_folder_in_use_is_told_and_free_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANTRY_DATA_DIR", str(tmp_path))
    with lock_data_folder(tmp_path):
        with (
            pytest.raises(UsageError, match=r"stop it, or set PANTRY_DATA_DIR to another folder$"),
            lock_data_folder(tmp_path),
        ):
            pass
        with keep_env_file(tmp_path, {"PANTRY_KAFKA_BOOTSTRAP": "127.0.0.1:9092"}):
            with pytest.raises(UsageError, match=f"first run `. {env_file(tmp_path)}`"), lock_data_folder(tmp_path):
                pass
            assert not runs_beside(Settings())
            monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
            assert runs_beside(Settings())
    with lock_data_folder(tmp_path):
        pass
    with keep_env_file(tmp_path, {"PANTRY_KAFKA_BOOTSTRAP": "127.0.0.1:9092"}):
        assert not runs_beside(Settings())


def test_a_data_folder_that_can_t_be_used_is_told_with_its_setting(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    (folder / "in-use").mkdir(parents=True)
    for path in (file, file / "below", folder):
        with pytest.raises(UsageError, match="PANTRY_DATA_DIR"), lock_data_folder(path):
            pass


def test_what_a_killed_up_left_misleads_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANTRY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
    env_file(tmp_path).write_text("export PANTRY_KAFKA_BOOTSTRAP=127.0.0.1:9092\n")
    assert not runs_beside(Settings())
    with lock_data_folder(tmp_path):
        assert not env_file(tmp_path).exists()
        assert not runs_beside(Settings())


def test_one_port_for_two_servers_is_told_with_both_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(free_port())
    monkeypatch.setenv("PANTRY_HTTP_PORT", port)
    monkeypatch.setenv("PANTRY_OPS_PORT", port)
    assert ended(monkeypatch, "up") == 2
    assert capsys.readouterr().err == f"PANTRY_OPS_PORT and PANTRY_HTTP_PORT are both {port}: change one of them\n"


def test_the_version_is_that_of_the_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "--version") == 0
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out.strip() == project["version"]
