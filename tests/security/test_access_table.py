"""The table of rights: it follows from the topics, covers the code, and gives nobody what nobody needs."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable
from inspect import getfile
from pathlib import Path

import pytest

from schemas.topics import CAPTURED, CONVERTED, DEADLETTER, SUSPECTED, TOPICS
from services.cli.commands.permissions import kafka, mongo
from services.composition.permissions import (
    GATEWAY,
    OPERATIONS,
    PROCESSES,
    SETUP,
    acls,
    mongo_actions,
    reads,
    user_of,
    writes,
)
from services.composition.workers import TOPICS_OF, WORKERS
from shared.domain.operations.server_rights import Operation, Resource
from shared.mongo import names
from tests.security.code import actions_of, folder, topics_of

SECURITY = Path("deploy/security")
ACTIONS = {"find", "insert", "update", "remove"}
BY_COMMANDS = {
    "insights": {names.ROLLUPS: {"remove"}},
    GATEWAY: dict.fromkeys((names.KEYS, names.USERS), frozenset({"insert", "update"})),
}
"""What stands in the folders of processes, and only commands do: `pantry insights rebuild`, `keys`, `people`."""


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_reads_what_the_topics_say(worker: str) -> None:
    said = {name for name, topic in TOPICS.items() if worker in topic.consumers}
    assert set(reads(worker)) == said


@pytest.mark.parametrize("worker", WORKERS)
def test_the_code_of_a_worker_names_no_topic_that_it_has_no_right_to(worker: str) -> None:
    assert topics_of(folder(worker)) <= {*reads(worker), *writes(worker)}


@pytest.mark.parametrize("process", [*WORKERS, GATEWAY])
def test_the_code_of_a_process_does_nothing_with_a_collection_that_it_has_no_right_to(process: str) -> None:
    done = actions_of(folder(process))
    beyond = {name: those - set(mongo_actions(process).get(name, ())) for name, those in done.items()}
    beyond = {name: those for name, those in beyond.items() if those}
    assert beyond == BY_COMMANDS.get(process, {})
    for name, those in beyond.items():
        assert those <= set(mongo_actions(OPERATIONS)[name])


def test_a_worker_that_follows_a_configuration_file_may_say_that_it_refused_it_and_no_other() -> None:
    following = {name for name in WORKERS if "Reloading(" in Path(getfile(WORKERS[name])).read_text()}
    assert following == {name for name in WORKERS if names.CONFIGURATION in mongo_actions(name)}


def test_every_worker_writes_dead_letters_and_its_own_events_alone() -> None:
    for worker in WORKERS:
        assert DEADLETTER.name in writes(worker)
        # A completed call is an activity.
        allowed = {"tasks": ["leads.activities"]}
        assert [name for name in writes(worker) if TOPICS[name].kind == "input"] == allowed.get(worker, [])
    producers = Counter(name for one in (*WORKERS, SETUP) for name in writes(one) if TOPICS[name].kind == "output")
    assert set(producers) == {name for name, topic in TOPICS.items() if topic.kind == "output"}
    assert [worker for worker in WORKERS if CONVERTED.name in writes(worker)] == ["conversion"]


def test_each_worker_joins_its_own_group_and_no_other_process_any() -> None:
    joined = {
        process: [
            one.name for one in acls(process) if (one.resource, one.operation) == (Resource.GROUP, Operation.READ)
        ]
        for process in PROCESSES
    }
    others = {GATEWAY, OPERATIONS, SETUP}
    assert joined == {one: [] if one in others else [f"pantry.{one}"] for one in PROCESSES}


def test_only_who_prepares_the_servers_makes_topics_and_indexes() -> None:
    makes = {process for process in PROCESSES for one in acls(process) if one.operation is Operation.CREATE}
    indexes = {
        process
        for process in PROCESSES
        if "createIndex" in {a for all_ in mongo_actions(process).values() for a in all_}
    }
    assert makes == indexes == {SETUP}


def test_who_prepares_the_servers_may_rewrite_claims_and_change_no_lead_and_no_other_topic() -> None:
    written = [one.name for one in acls(SETUP) if one.operation is Operation.WRITE]
    assert written == [SUSPECTED.name]
    assert Operation.READ not in {one.operation for one in acls(SETUP)}
    assert mongo_actions(SETUP) == {
        "": ("createIndex", "dropIndex"),
        names.LEADS: ("find",),
        names.CAPTURES: ("find", "update"),
        names.IDENTITIES: ("find", "insert", "update", "remove"),
    }


def test_every_right_is_for_a_topic_group_or_collection_that_there_is() -> None:
    named = {one.name for one in names.COLLECTIONS}
    for process in PROCESSES:
        rights = list(acls(process))
        assert len(rights) == len(set(rights))
        assert {one.user for one in rights} == {user_of(process)}
        assert {one.name for one in rights if one.resource is Resource.TOPIC} <= TOPICS.keys()
        assert {one.name for one in rights if one.resource is Resource.GROUP} <= {f"pantry.{one}" for one in TOPICS_OF}
        for_all = {"createIndex", "dropIndex"} if process == SETUP else set()
        assert set(mongo_actions(process).get("", ())) == for_all
        assert mongo_actions(process).keys() - {""} <= named
        assert {action for all_ in mongo_actions(process).values() for action in all_} <= ACTIONS | for_all
    assert {name for process in PROCESSES for name in mongo_actions(process)} - {""} == named


def test_only_the_gateway_and_operations_publish_what_comes_from_outside() -> None:
    assert [process for process in PROCESSES if CAPTURED.name in writes(process)] == [GATEWAY, OPERATIONS]
    assert DEADLETTER.name not in {*writes(GATEWAY), *writes(OPERATIONS)}


@pytest.mark.parametrize(("file", "shown"), [("kafka-acls.txt", kafka), ("mongo-roles.json", mongo)])
def test_the_files_for_administrators_are_what_the_command_shows(file: str, shown: Callable[[], None]) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        shown()
    assert said.getvalue() == (SECURITY / file).read_text()


def test_a_role_is_a_command_that_mongodb_takes() -> None:
    roles = json.loads((SECURITY / "mongo-roles.json").read_text())
    assert [one["createRole"] for one in roles] == [user_of(process) for process in PROCESSES]
    for one in roles:
        assert one.keys() == {"createRole", "privileges", "roles"}
        for privilege in one["privileges"]:
            assert privilege["resource"].keys() == {"db", "collection"}
            assert privilege["resource"]["db"] == "pantry"
            assert privilege["actions"]
