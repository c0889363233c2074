"""A reader can walk the consume path: few frames of ours from the callback to the store."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deploy.local import LocalServers
from services.capture import store
from tests.builders import data, event
from tests.harness import bench, until

_ROOT = Path(store.__file__).parent.parent.parent
_OURS = (_ROOT / "services", _ROOT / "shared")


def _ours(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Yield module and function of our frames, the innermost first."""
    while frame:
        path = Path(frame.f_code.co_filename)
        if any(path.is_relative_to(folder) for folder in _OURS):
            yield path.relative_to(_ROOT).as_posix(), frame.f_code.co_qualname
        frame = frame.f_back


async def test_a_capture_comes_to_the_store_by_six_frames_of_four_modules(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[list[tuple[str, str]]] = []
    original = store.read_view

    async def recorded(*args: Any) -> Any:
        this = (Path(store.__file__).relative_to(_ROOT).as_posix(), original.__qualname__)
        walks.append([this, *_ours(sys._getframe(1))])
        return await original(*args)

    monkeypatch.setattr(store, "read_view", recorded)
    async with bench(local) as on, on.running("capture"):
        await on.publish([event(data(email="one@example.com"), event_id="one")])

        async def stored() -> bool:
            return await on.count("captures") == 1

        await until(stored, "the capture")
    walk = walks[0]
    assert walk[-1] == ("shared/consuming/consumer.py", "BatchConsumer.process"), "it begins at the callback"
    assert len(walk) <= 6, walk
    assert len({module for module, _ in walk}) <= 4, walk
