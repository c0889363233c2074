"""The table of rights: it follows from the topics, covers the code, and gives nobody what nobody needs."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.topics import CAPTURED, CONVERTED, DEADLETTER, TOPICS
from services.access import GATEWAY, OPERATIONS, PROCESSES, SETUP, acls, actions, reads, user_of, writes
from services.access_cli import kafka, mongo
from services.catalogue import TOPICS_OF, WORKERS
from shared import collections
from shared.domain.access import Operation, Resource
from shared.worker import ARRIVALS
from tests.security.code import actions_of, topics_of

SECURITY = Path("deploy/security")
ACTIONS = {"find", "insert", "update", "remove"}
BY_COMMANDS = {
    "insights": {collections.ROLLUPS: {"remove"}},
    GATEWAY: dict.fromkeys((collections.KEYS, collections.PEOPLE), frozenset({"insert", "update"})),
}
"""What stands in the folders of processes, and only commands do: `pantry insights rebuild`, `keys`, `people`."""


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_reads_what_the_topics_say_and_what_releases_the_events_that_wait(worker: str) -> None:
    said = {name for name, topic in TOPICS.items() if worker in topic.consumers}
    assert said <= set(reads(worker)) <= said | {topic.name for topic in ARRIVALS}


@pytest.mark.parametrize("worker", WORKERS)
def test_the_code_of_a_worker_names_no_topic_that_it_has_no_right_to(worker: str) -> None:
    assert topics_of(f"services/{worker}") <= {*reads(worker), *writes(worker)}


@pytest.mark.parametrize("process", [*WORKERS, GATEWAY])
def test_the_code_of_a_process_does_nothing_with_a_collection_that_it_has_no_right_to(process: str) -> None:
    done = actions_of(f"services/{process}")
    beyond = {name: those - set(actions(process).get(name, ())) for name, those in done.items()}
    beyond = {name: those for name, those in beyond.items() if those}
    assert beyond == BY_COMMANDS.get(process, {})
    for name, those in beyond.items():
        assert those <= set(actions(OPERATIONS)[name])


def test_every_worker_writes_dead_letters_and_its_own_events_alone() -> None:
    for worker in WORKERS:
        assert DEADLETTER.name in writes(worker)
        assert not [name for name in writes(worker) if TOPICS[name].kind == "input"]
    producers = Counter(name for worker in WORKERS for name in writes(worker) if TOPICS[name].kind == "output")
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


def test_only_who_prepares_the_servers_makes_topics_and_indexes_and_they_see_no_lead() -> None:
    makes = {process for process in PROCESSES for one in acls(process) if one.operation is Operation.CREATE}
    indexes = {
        process for process in PROCESSES if "createIndex" in {a for all_ in actions(process).values() for a in all_}
    }
    assert makes == indexes == {SETUP}
    assert not {one.operation for one in acls(SETUP)} & {Operation.READ, Operation.WRITE}
    assert actions(SETUP) == {"": ("createIndex",)}


def test_every_right_is_for_a_topic_group_or_collection_that_there_is() -> None:
    named = {value for name, value in vars(collections).items() if name.isupper()}
    for process in PROCESSES:
        rights = list(acls(process))
        assert len(rights) == len(set(rights))
        assert {one.user for one in rights} == {user_of(process)}
        assert {one.name for one in rights if one.resource is Resource.TOPIC} <= TOPICS.keys()
        assert {one.name for one in rights if one.resource is Resource.GROUP} <= {f"pantry.{one}" for one in TOPICS_OF}
        if process != SETUP:
            assert actions(process).keys() <= named
            assert {action for all_ in actions(process).values() for action in all_} <= ACTIONS
    assert {name for process in PROCESSES for name in actions(process)} - {""} == named


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
