"""Starts real servers on this machine: embedded, Apache Kafka from its jars, or Docker."""

from deploy.local.private import private_file, private_folder
from deploy.local.servers import Backend, LocalServers, Servers

__all__ = ["Backend", "LocalServers", "Servers", "private_file", "private_folder"]
