"""Real servers on this machine, for `pantry up`, demo and tests: embedded, Apache Kafka from its jars, or Docker."""

from deploy.local.servers import Backend, LocalServers, Servers

__all__ = ["Backend", "LocalServers", "Servers"]
