"""The errors of `services` and `shared`: one tree.

Adapters translate the errors of libraries into it.

    PantryError
    ├── Transient            the same call may pass later
    │   ├── BrokerUnavailable
    │   ├── Contention
    │   ├── NoLeads
    │   └── Unavailable
    │       └── OtherZone
    ├── Permanent            the same input fails again
    │   ├── FitFailed
    │   ├── Invalid
    │   ├── ModelRejected
    │   ├── PatternError
    │   ├── RecordRefused
    │   ├── RenderError
    │   ├── TooFew
    │   ├── TooLarge
    │   ├── Unfit
    │   ├── UnreadableLead
    │   └── UnreadableTable
    ├── Stop                 this loop or process ends
    │   ├── CircuitOpen
    │   │   └── WrongPepper
    │   ├── Overtaken
    │   └── Stopping
    ├── UsageError           a person corrects a command or a setting
    │   └── ConfigError
    └── HttpProblem          the answer to a request
        └── WrongOrigin

Any other error is a bug. A worker sends its record to the dead letter as `handler_failed`.
"""


class PantryError(Exception):
    """An error that the product foresees."""


class Transient(PantryError):
    """The same call may pass later."""

    server = "a server"
    """The server and the setting that names it."""
    by_record = False
    """Whether the record in hand may have caused it, and not a server's state alone."""


class Permanent(PantryError):
    """The same input fails again."""


class Stop(PantryError):
    """This loop or process ends. What is left is delivered again."""


class UsageError(PantryError):
    """A user asked for something impossible.

    A command prints the text and exits with status 2.
    """
