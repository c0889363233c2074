"""Rights at Kafka and at MongoDB, in these servers' own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Operation(IntEnum):
    """What may be done, by its number in Kafka's protocol. READ and WRITE let one DESCRIBE too."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


class Resource(IntEnum):
    """What it may be done with, by its number in Kafka's protocol."""

    TOPIC = 2
    GROUP = 3


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right at Kafka: this user may do that with the one resource of this name, from any host."""

    user: str
    resource: Resource
    name: str
    operation: Operation

    @property
    def principal(self) -> str:
        """The user as Kafka names who was let in by user and password."""
        return f"User:{self.user}"

    @property
    def command(self) -> str:
        """The options of Kafka's own `kafka-acls.sh` that give this right."""
        operation, kind = self.operation.name.title().replace("_", ""), self.resource.name.lower()
        return f"--add --allow-principal {self.principal} --operation {operation} --{kind} {self.name}"


def role(user: str, database: str, actions: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The document of MongoDB's `createRole` for the role of this name: `actions` by collection, "" for any."""
    return {
        "createRole": user,
        "privileges": [
            {"resource": {"db": database, "collection": collection}, "actions": sorted(those)}
            for collection, those in sorted(actions.items())
        ],
        "roles": [],
    }
