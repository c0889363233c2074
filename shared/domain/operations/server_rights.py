"""Rights at Kafka and MongoDB, as these servers define them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypedDict


class Operation(IntEnum):
    """An operation, by its number in Kafka's protocol. READ and WRITE include DESCRIBE."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


class Resource(IntEnum):
    """A kind of resource, by its number in Kafka's protocol."""

    TOPIC = 2
    GROUP = 3


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right at Kafka: `user` may do `operation` on one named resource, from any host."""

    user: str
    resource: Resource
    name: str
    operation: Operation

    @property
    def principal(self) -> str:
        """Kafka's name of a user who logged in by password."""
        return f"User:{self.user}"

    @property
    def command(self) -> str:
        """The options of Kafka's `kafka-acls.sh` that create this right."""
        operation, kind = self.operation.name.title().replace("_", ""), self.resource.name.lower()
        return f"--add --allow-principal {self.principal} --operation {operation} --{kind} {self.name}"


class Privilege(TypedDict):
    """The actions that a user of MongoDB may do with one collection of a database."""

    resource: dict[str, str]
    actions: list[str]


class RoleDocument(TypedDict):
    """MongoDB's command that creates a role."""

    createRole: str
    privileges: list[Privilege]
    roles: list[str]


def role(user: str, database: str, actions: Mapping[str, Sequence[str]]) -> RoleDocument:
    """Return MongoDB's `createRole` document. `actions` are by collection; "" means any."""
    return {
        "createRole": user,
        "privileges": [
            {"resource": {"db": database, "collection": collection}, "actions": sorted(those)}
            for collection, those in sorted(actions.items())
        ],
        "roles": [],
    }
