"""The registry: every package of `services` whose module `worker` has a `MANIFEST`, in the funnel's order."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import services
from services.gateway.auth import key_store
from shared.consuming.worker import Build, Manifest
from shared.leads import documents, pending_store
from shared.mongo.storage import Storage


def _manifests() -> Iterator[Manifest]:
    for package in iter_modules(services.__path__, f"{services.__name__}."):
        if package.ispkg and find_spec(f"{package.name}.worker"):
            yield import_module(f"{package.name}.worker").MANIFEST


MANIFESTS: tuple[Manifest, ...] = tuple(sorted(_manifests(), key=lambda one: (one.stage, one.name)))

WORKERS: dict[str, Build] = {one.name: one.build for one in MANIFESTS}
"""How to build each worker, by name."""

TOPICS_OF: dict[str, tuple[str, ...]] = {one.name: tuple(topic.name for topic in one.topics) for one in MANIFESTS}
"""The topics that each worker reads."""


async def create_indexes(storage: Storage) -> None:
    """Create the indexes that are missing, and nothing else."""
    of_workers = [create for one in MANIFESTS for create in one.create_indexes]
    for create in (
        documents.create_indexes,
        pending_store.create_indexes,
        key_store.create_indexes,
        *of_workers,
    ):
        await create(storage)
