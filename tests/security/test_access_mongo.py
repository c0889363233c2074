"""What each process does at MongoDB, by the table of its rights; and a database that asks for logins and rights."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from inspect import getfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from pymongo.monitoring import CommandListener, CommandStartedEvent

from deploy.local import LocalServers
from deploy.local.secured import ADMINISTRATOR, Certificates, secured_database
from services.capture.claim_rewriting import Rewriter
from services.composition.permissions import GATEWAY, PROCESSES, SETUP, mongo_actions, user_of
from services.composition.workers import WORKERS, create_indexes
from services.gateway.app import front
from shared import config_reports
from shared.clock import system_clock
from shared.domain.identity.identity_rules import IdentityRules
from shared.domain.operations.server_rights import RoleDocument, role
from shared.domain.stored.untyped import Document
from shared.leads import commands, erased_events, erasure_markers, pending_store
from shared.leads import documents as leads
from shared.mongo import storage as storage_module
from shared.mongo.connection import Mongo
from shared.mongo.drivers import open_client
from shared.mongo.names import CollectionName
from shared.mongo.storage import Storage, Unavailable
from shared.service import WorkerProcess
from tests.builders import data
from tests.collection_names import IDENTITIES
from tests.gateway import NOTHING_TO_REWRITE, SECRET, Caller, command, new_key, typed
from tests.harness import Bench, bench
from tests.older import store_of_before
from tests.security.code import actions_of, folder
from tests.security.life import live
from tests.security.secured import (
    DATABASE,
    PASSWORDS,
    certified,
    environment,
    kafka_settings,
    make_users,
    mongo_settings,
)

_PLACE = CollectionName[Document]("a")
_FREE = {"hello", "buildInfo", "ping", "endSessions", "saslStart", "saslContinue", "killCursors"}
"""What needs no right."""

_SHARED = [
    Path(getfile(module)) for module in (commands, config_reports, leads, pending_store, erased_events, erasure_markers)
]


class Recorder(CommandListener):
    """Which rights the commands of one process took, by collection."""

    def __init__(self) -> None:
        self.taken: dict[str, set[str]] = defaultdict(set)

    def started(self, event: CommandStartedEvent) -> None:
        name, command = event.command_name, event.command
        if name in _FREE:
            return
        if name == "getMore":
            self.taken[command["collection"]].add("find")
            return
        if name in _RIGHTS:
            self.taken[command[name]] |= _RIGHTS[name](command)
        else:
            self.taken[str(command[name])].add(name)

    def succeeded(self, event: Any) -> None:
        """Nothing: a right is asked for before the command is carried out."""

    failed = succeeded


_RIGHTS: Mapping[str, Callable[[Mapping[str, Any]], set[str]]] = {
    "find": lambda _: {"find"},
    "aggregate": lambda _: {"find"},
    "insert": lambda _: {"insert"},
    "update": lambda command: {"update"} | ({"insert"} if any(u.get("upsert") for u in command["updates"]) else set()),
    "delete": lambda _: {"remove"},
}
"""As MongoDB's manual says it of each command; one that is not here is a right of its own, which nobody has."""


@pytest.mark.long
async def test_each_process_does_at_mongodb_what_the_table_lets_it_do_and_needs_all_of_it(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders = {name: Recorder() for name in (*WORKERS, GATEWAY)}
    async with bench(local) as on, AsyncExitStack() as stack:
        settings = on.settings.model_copy(update={"gateway_secret": SecretStr(SECRET)})
        key = await new_key(on)
        services = []
        for name, recorder in recorders.items():
            with monkeypatch.context() as patch:
                patch.setattr(storage_module, "open_client", _recorded(recorder))
                builds = [WORKERS[name]] if name in WORKERS else []
                services.append(WorkerProcess(settings, on.to, builds, front=None if builds else front))
        await asyncio.gather(*(stack.enter_async_context(one) for one in services))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await live(on, Caller(http, services[-1].http or ""), key)
    for name, recorder in recorders.items():
        allowed = {collection: set(those) for collection, those in mongo_actions(name).items()}
        assert _beyond(recorder.taken, allowed) == {}, name
        # What it did not happen to do stands in its code, or in what it shares with others.
        might = _union(actions_of(folder(name)), actions_of(*_SHARED))
        assert _beyond(allowed, _union(recorder.taken, might)) == {}, name


async def test_who_prepares_the_servers_does_what_the_table_lets_it_do_and_needs_all_of_it(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    async with bench(local) as on:
        spelled = [data(email=f"{n}@xn--bcher-kva.example", phone="2125550142", company="R & B") for n in range(2)]
        leads = await store_of_before(on.storage, spelled)
        await on.storage.put(IDENTITIES, [{"_id": "email:a@b.example", "leadIds": leads[:1], "moved": leads[:1]}])
        with monkeypatch.context() as patch:
            patch.setattr(storage_module, "open_client", _recorded(recorder))
            storage = Storage(on.to.mongo, on.settings.mongo_database)
        await create_indexes(storage)
        await Rewriter(storage, "US", IdentityRules(), system_clock, None).run()
        await storage.close()
    taken = {name: those - {"createIndexes", "dropIndexes"} for name, those in recorder.taken.items()}
    assert {name: those for name, those in taken.items() if those} == {
        name: set(those) for name, those in mongo_actions(SETUP).items() if name
    }


async def test_a_user_of_before_the_upgrade_makes_indexes_and_is_told_which_right_it_needs_for_the_rest(
    tmp_path: Path,
) -> None:
    files = certified(tmp_path / "files")
    user = user_of(SETUP)
    with (
        secured_database(tmp_path / "database", files, PASSWORDS[ADMINISTRATOR]) as url,
        LocalServers("embedded", tmp_path, kafka_bootstrap="nowhere:0", mongo_url=url) as local,
    ):
        async with stored(_user(ADMINISTRATOR, url)) as root:
            for process in PROCESSES:
                await root.set_role(role(user_of(process), DATABASE, mongo_actions(process)))
            await root.set_role(role(user, DATABASE, {"": ["createIndex"]}))
            make_users(url)
            with environment(mongo_settings(url, user) | kafka_settings("nowhere:0", files.ca, user)):
                status, said, told = await command(Bench(local), "indexes", "apply")
                assert (status, said.strip()) == (0, "all indexes exist")
                assert "`pantry access apply` as an administrator" in told
                await root.set_role(role(user, DATABASE, mongo_actions(SETUP)))
                assert await typed(Bench(local), "indexes", "apply") == NOTHING_TO_REWRITE


def _recorded(recorder: Recorder) -> Callable[..., Any]:
    return lambda driver, url, **options: open_client(driver, url, event_listeners=[recorder], **options)


def _beyond(these: Mapping[str, set[str]], those: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """What is in `these` and not in `those`."""
    beyond = {name: one - those.get(name, set()) for name, one in these.items()}
    return {name: one for name, one in beyond.items() if one}


def _union(one: Mapping[str, set[str]], other: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {name: one.get(name, set()) | other.get(name, set()) for name in {*one, *other}}


async def test_a_database_with_logins_lets_nobody_in_without_one_and_each_user_do_what_its_role_allows(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    files = certified(tmp_path / "files")
    with secured_database(tmp_path / "database", files, PASSWORDS[ADMINISTRATOR]) as url:
        async with stored(_user(ADMINISTRATOR, url)) as root:
            for _ in range(2):  # roles that are there are changed, others made
                for process in PROCESSES:
                    await root.set_role(role(user_of(process), DATABASE, mongo_actions(process)))
            make_users(url)
            await root.put(_PLACE, [{"_id": "there"}])
        await _strangers_are_refused(url, files, certified(tmp_path / "others").ca)
        for process in PROCESSES:
            async with stored(_user(user_of(process), url)) as mine:
                allowed = {action for those in mongo_actions(process).values() for action in those}
                assert await _done(mine, role(user_of(process), DATABASE, {})) == allowed, process
        figure(f"{len(PROCESSES)} users, each by its own name and password over TLS, with the actions of its role")


@asynccontextmanager
async def stored(mongo: Mongo) -> AsyncIterator[Storage]:
    storage = Storage(mongo, DATABASE, timeout_ms=3_000)
    try:
        yield storage
    finally:
        await storage.close()


def _user(user: str, url: str) -> Mongo:
    return Mongo(url, user, PASSWORDS[user])


async def _done(storage: Storage, no_rights: RoleDocument) -> set[str]:
    """What this user gets done. The embedded database asks which action it is, and not on which collection."""
    attempts: dict[str, Callable[[], Awaitable[Any]]] = {
        "find": lambda: storage.find(_PLACE, {}),
        "insert": lambda: storage.insert_new(_PLACE, [{"_id": "new"}]),
        "update": lambda: storage.change_all(_PLACE, {"_id": "there"}, {"$set": {"seen": True}}),
        "remove": lambda: storage.delete(_PLACE, ["new"]),
        "createIndex": lambda: storage.create_index(_PLACE, [("seen", 1)]),
        "dropIndex": lambda: storage.drop_index(_PLACE, [("seen", 1)]),
        "listCollections": storage.collections,
        "createRole": lambda: storage.set_role(no_rights),
        "dropDatabase": storage.drop,
    }
    return {action for action, attempt in attempts.items() if not await _refused(attempt())}


async def _refused(attempt: Awaitable[Any]) -> bool:
    try:
        await attempt
    except Unavailable as error:
        return str(error) == "OperationFailure code=13"
    return False


async def _strangers_are_refused(url: str, files: Certificates, other_ca: Path) -> None:
    right = _user(user_of("capture"), url)
    plain = right.url.replace(f"&tls=true&tlsCAFile={files.ca}", "")
    strangers = [
        (Mongo(right.url), "OperationFailure code=13"),
        (Mongo(right.url, right.username, "wrong"), "OperationFailure code=18"),
        (Mongo(right.url, "pantry.nobody", right.password), "OperationFailure code=18"),
        (replace(right, url=plain), "ServerSelectionTimeoutError"),
        (replace(right, url=right.url.replace(str(files.ca), str(other_ca))), "ServerSelectionTimeoutError"),
    ]
    for stranger, told in strangers:
        async with stored(stranger) as storage:
            with pytest.raises(Unavailable, match=told):
                await storage.find(_PLACE, {})
    async with stored(right) as storage:
        assert await storage.read(_PLACE, ["there"])
