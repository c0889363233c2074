"""What the servers' settings make of the promises: each weakness is told, and none that isn't there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.operations.guarantees import Facts, Promise, TopicState, judge_promises

DAY_MS = 24 * 3600 * 1000
SETTINGS = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "cleanup.policy": "delete",
    "retention.ms": str(30 * DAY_MS),
    "max.message.bytes": "1048588",
}
TOPIC = TopicState("leads.captured", 3, SETTINGS, 30 * DAY_MS, 256 * 1024)
SAFE = Facts(True, (TOPIC, replace(TOPIC, name="leads.created")), (), {"w": "majority", "j": True}, 3)


def weak(facts: Facts) -> dict[str, str]:
    return {one.setting: one.found for one in judge_promises(facts) if one.holds is False}


def of(facts: Facts, setting: str) -> Promise:
    return next(one for one in judge_promises(facts) if one.setting == setting)


def _with(settings: Mapping[str, str]) -> Facts:
    return replace(SAFE, topics=(TOPIC, replace(TOPIC, name="leads.created", settings={**SETTINGS, **settings})))


def test_three_brokers_and_three_nodes_with_safe_settings_have_no_weakness() -> None:
    assert [one for one in judge_promises(SAFE) if one.holds is not True] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min.insync.replicas", "1"),
        ("min.insync.replicas", "3"),
        ("unclean.leader.election.enable", "true"),
        ("cleanup.policy", "compact"),
        ("retention.ms", str(7 * DAY_MS)),
        ("max.message.bytes", "1000"),
    ],
)
def test_a_topic_with_a_weaker_setting_is_named_with_its_value(name: str, value: str) -> None:
    assert weak(_with({name: value})) == {name: f"{value} (leads.created)"}


def test_a_read_preference_of_the_url_is_named_and_not_followed() -> None:
    asked = of(replace(SAFE, asked_to_read_from="secondaryPreferred"), "read preference")
    assert (asked.found, asked.holds) == ("primary, not secondaryPreferred as the URL says", True)
    assert of(SAFE, "read preference").found == "primary"


def test_a_write_concern_of_one_node_on_a_replica_set_weakens_writes_and_reads() -> None:
    facts = replace(SAFE, write_concern={"w": 1}, read_concern="local")
    assert weak(facts) == {"write concern": "w=1", "journal": "j=false", "read concern": "local"}
    assert weak(replace(facts, write_concern={"w": 1, "j": True}, nodes=1)).keys() == {"database's nodes"}


def test_a_topic_that_is_kept_for_ever_is_kept_long_enough() -> None:
    assert weak(_with({"retention.ms": "-1"})) == {}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"idempotence": False}, {"idempotent producer": "off"}),
        ({"missing": ("leads.erase",)}, {"topics": "2 of 3"}),
        ({"topics": (replace(TOPIC, replicas=1),)}, {"replicas": "1"}),
        ({"write_concern": {"w": 1, "j": True}}, {"write concern": "w=1"}),
        ({"write_concern": {"w": "majority"}}, {"journal": "j=false"}),
        ({"nodes": 0}, {"database's nodes": "no replica set"}),
        ({"nodes": 1, "write_concern": {"w": 1, "j": True}}, {"database's nodes": "1"}),
    ],
)
def test_every_other_weakness_is_told_alone(facts: dict[str, Any], told: dict[str, str]) -> None:
    assert weak(replace(SAFE, **facts)) == told


def test_what_a_server_does_not_tell_is_neither_safe_nor_weak() -> None:
    silent = replace(SAFE, topics=(replace(TOPIC, settings=None),), nodes=None)
    assert weak(silent) == {}
    assert of(silent, "min.insync.replicas").holds is None
    assert of(silent, "database's nodes").found == "not visible"


def test_each_weakness_says_what_it_costs_and_what_mends_it() -> None:
    worst = Facts(False, (replace(TOPIC, replicas=1),), ("leads.erase",), {"w": 1}, 0)
    for one in judge_promises(worst):
        assert one.holds or (one.harm and one.fix)
