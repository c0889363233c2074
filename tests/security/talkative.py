"""`python -m tests.security.talkative WORD…`: `pantry WORD…`, in which what can go wrong does, and quotes a lead.

A handler raises for an event that says `trap`, with the whole event in the error's text. Tasks, threads, libraries and
warnings tell a secret in all the ways that end on standard error, and the database refuses a write with all that was to
be written. `crash` is a command that ends by such an error.
"""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from services.cli import main as cli
from services.composition import workers as catalogue
from shared.consuming.worker import Build, Runtime, Worker
from shared.kafka.events import Received, Result

SECRET = "zyzzyva who talks"  # noqa: S105 - a canary


class QuotingError(RuntimeError):
    """Its text is what no log may have."""


def _talkative(build: Build) -> Build:
    def built(runtime: Runtime) -> Worker:
        worker = build(runtime)

        async def handle(received: Sequence[Received]) -> Sequence[Result]:
            for one in received:
                if "trap" in repr(one.event.data):
                    raise QuotingError(f"can't handle {one.event!r}")
            return await worker.handle(received)

        return replace(worker, handle=handle, background=(*worker.background, _fail))

    return built


async def _fail(_: asyncio.Event) -> None:
    raise QuotingError(SECRET) from ValueError(SECRET)


def _refusing(write: Any) -> Any:
    """The driver's way to write, which fails once, with all that was to be written in the error's text."""
    refused: list[Sequence[Any]] = []

    async def bulk_write(self: Any, requests: Sequence[Any], **more: Any) -> Any:
        if not refused and SECRET.partition(" ")[0] in repr(requests):
            refused.append(requests)
            raise BulkWriteError({"writeErrors": [{"code": 1, "errmsg": repr(requests)}]})
        return await write(self, requests, **more)

    return bulk_write


def _raise() -> None:
    raise QuotingError(SECRET)


class _Falling:
    def __del__(self) -> None:
        _raise()


async def _talk(_: asyncio.Event) -> None:
    """Each way by which a library's words reach standard error."""
    task = asyncio.create_task(_fail(asyncio.Event()))
    await asyncio.wait({task})
    del task
    asyncio.get_running_loop().call_soon(_raise)
    thread = threading.Thread(target=_raise)
    thread.start()
    thread.join()
    falling: Any = _Falling()
    del falling
    warnings.warn(SECRET, UserWarning, stacklevel=1)
    try:
        _raise()
    except QuotingError as error:
        for name in ("aiokafka.consumer.fetcher", "pantry.faststream", "uvicorn.error", "pymongo.client", "asyncio"):
            logging.getLogger(name).exception("Exception in a library")
            logging.getLogger(name).error("%s failed: %s", "a call", error)  # noqa: TRY400 - libraries do
        log = structlog.get_logger()
        log.exception("process.talks")
        log.warning("process.talks", exc_info=error)
    gc.collect()


def _first_talks(build: Build) -> Build:
    def built(runtime: Runtime) -> Worker:
        worker = build(runtime)
        return replace(worker, background=(*worker.background, _talk))

    return built


def main() -> None:
    """Plant all of it, and be `pantry`."""
    workers: dict[str, Build] = catalogue.WORKERS
    workers.update({name: _talkative(build) for name, build in workers.items()})
    workers["capture"] = _first_talks(workers["capture"])
    collections: Sequence[Any] = (AsyncIOMotorCollection, AsyncCollection)
    for collection in collections:
        collection.bulk_write = _refusing(collection.bulk_write)
    cli.app.command(_raise, name="crash")
    sys.argv = ["pantry", *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
