"""What admins see of refused files: one entry where processes of a worker say the same."""

from datetime import UTC, datetime

from services.gateway.configuration.domain.refusals import state
from shared.domain.stored.configuration_documents import RefusedFileDocument

EARLY, LATE = datetime(2026, 5, 1, 8, tzinfo=UTC), datetime(2026, 5, 1, 9, tzinfo=UTC)


def _row(id_: str, since: datetime, *faults: str, file: str = "rules.yaml") -> RefusedFileDocument:
    return {
        "_id": id_,
        "worker": "scoring",
        "since": since,
        "file": file,
        "version": "a",
        "faults": list(faults),
        "more": 0,
        "expiresAt": LATE,
    }


def test_processes_that_refuse_the_same_are_one_entry_since_the_first_of_them() -> None:
    rows = [_row("2", LATE, "x"), _row("1", EARLY, "x"), _row("3", EARLY, "y"), _row("4", LATE, "x", file="a.yaml")]
    found = [(one["file"], one["faults"], one["since"], one["processes"]) for one in state(rows)["refused"]]
    assert found == [
        ("a.yaml", ["x"], LATE, 1),
        ("rules.yaml", ["x"], EARLY, 2),
        ("rules.yaml", ["y"], EARLY, 1),
    ]
    assert state([]) == {"refused": []}
