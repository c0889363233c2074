"""The folder that `pantry up` keeps its data in: its owner's alone, with the secrets that it makes once."""

import sys
from pathlib import Path

import pytest

from deploy.local import private_folder
from deploy.local.child_process import Process
from services.cli.common import erasure_pepper_of, gateway_secret_of
from services.cli.server_run import worker
from shared.errors import UsageError
from shared.settings import Settings


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_folder_is_made_or_tightened_for_its_owner_alone_but_one_of_everybody_is_left(tmp_path: Path) -> None:
    fresh, wide, everybodys = tmp_path / "a" / "fresh", tmp_path / "wide", tmp_path / "everybodys"
    wide.mkdir(mode=0o755)
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    assert private_folder(fresh)
    assert private_folder(wide)
    assert not private_folder(everybodys)
    assert (_mode(fresh), _mode(wide), _mode(everybodys)) == (0o700, 0o700, 0o777)


def test_what_a_server_writes_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    made, log = tmp_path / "made", tmp_path / "log"
    script = f"import pathlib, time; pathlib.Path({str(made)!r}).touch(); print('up', flush=True); time.sleep(60)"
    server = Process("server", [sys.executable, "-c", script], log, made.exists)
    server.start()
    server.kill()
    assert (_mode(made), _mode(log)) == (0o600, 0o600)


def test_the_pepper_is_made_once_and_the_setting_goes_before_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", erasure_pepper="")
    assert not erasure_pepper_of(settings), "only `up` and `demo` make one"
    pepper = erasure_pepper_of(settings, create=True)
    assert len(pepper) >= 32
    assert erasure_pepper_of(settings) == erasure_pepper_of(settings, create=True) == pepper
    (file,) = settings.data_dir.iterdir()
    assert (_mode(file), _mode(settings.data_dir)) == (0o600, 0o700)
    assert erasure_pepper_of(Settings(data_dir=tmp_path / "data", erasure_pepper="salt"), create=True) == "salt"


def test_a_folder_that_cannot_be_made_is_named_with_the_setting(tmp_path: Path) -> None:
    for folder in (Path("/proc/none"), tmp_path / "file" / "data"):
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="PANTRY_DATA_DIR"):
            gateway_secret_of(Settings(data_dir=folder, gateway_secret=None), create=True)


def test_an_empty_pepper_in_the_data_folder_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "erasure.pepper").touch()
    for made in (True, False):
        with pytest.raises(UsageError, match="is empty"):
            erasure_pepper_of(Settings(data_dir=tmp_path, erasure_pepper=""), create=made)


def test_the_erasure_worker_without_a_pepper_ends_with_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANTRY_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PANTRY_ERASURE_PEPPER", raising=False)
    with pytest.raises(UsageError, match=r"set PANTRY_ERASURE_PEPPER.*openssl rand -hex 32"):
        worker("capture", "erasure")
    (tmp_path / "erasure.pepper").write_text("kept by up")
    monkeypatch.delenv("PANTRY_KAFKA_BOOTSTRAP", raising=False)
    with pytest.raises(UsageError, match="set PANTRY_KAFKA_BOOTSTRAP to the broker"):
        worker("capture", "erasure")
