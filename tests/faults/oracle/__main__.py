"""The judge as a process of its own: it looks until the result is final, and prints it.

A violation may disappear while events are on their way. Consumer lag shows whether any are. Where the lag isn't known,
the judge looks until nothing has changed for some seconds.

It prints one JSON object, `{"violations": [{"law", "detail"}…], "counts": {…}}`. Its exit status is 0 without
violations, 1 with some, and 2 if it could not look.
"""

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from tests.faults.oracle import reading
from tests.faults.oracle.judge import Verdict, judge
from tests.faults.oracle.world import World

_LOOKS = 6
"""How many looks at most in the seconds of quiet: each reads everything, and takes the servers' time."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.oracle", description=__doc__)
    parser.add_argument("--kafka", required=True, help="host:port,…")
    parser.add_argument("--mongo", required=True, help="the URL")
    parser.add_argument("--database", required=True)
    parser.add_argument(
        "--ledger", required=True, action="append", type=Path, help="what was fed; may stand repeatedly"
    )
    parser.add_argument("--gateway", help="the URL of a gateway: its figures are judged too")
    parser.add_argument("--token", default="", help="a key with the scope analytics:read")
    parser.add_argument("--no-lag", action="store_true", help="for a broker whose end offsets are not exact")
    parser.add_argument("--orphan-ttl", type=float, default=900.0, help="the setting PANTRY_ORPHAN_TTL")
    parser.add_argument("--command-patience", type=float, default=3.0, help="the setting PANTRY_COMMAND_PATIENCE")
    parser.add_argument("--skew", type=float, default=0.0, help="seconds by which a worker's clock was wrong")
    parser.add_argument("--quiet", type=float, default=3.0, help="seconds without a change after which a look counts")
    parser.add_argument("--doubt", type=float, help="the same where it found violations (default: --quiet)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds after which the last look counts")
    parser.add_argument("--kafka-options", type=json.loads, default={}, help="aiokafka's, as JSON: who one is")
    return parser.parse_args()


async def _look(of: argparse.Namespace) -> Verdict:
    options = of.kafka_options
    lag = {} if of.no_lag else await reading.lag(of.kafka, **options)
    answers = await reading.answers(of.gateway, of.token) if of.gateway else None
    records = await reading.records(of.kafka, **options)
    documents = await asyncio.to_thread(reading.documents, of.mongo, of.database)
    skew = timedelta(seconds=of.skew)
    waits = (of.orphan_ttl, skew, of.command_patience)
    world = World(records, reading.ledger(of.ledger), documents, datetime.now(UTC), *waits)
    return judge(world, answers, lag)


async def _verdict(of: argparse.Namespace) -> Verdict:
    """Return the first verdict without violations and lag, or the last of equal ones."""
    begun = since = time.monotonic()
    doubt = of.quiet if of.doubt is None else of.doubt
    verdict = await _look(of)
    while verdict.violations or of.no_lag:
        now = time.monotonic()
        if now - since >= (doubt if verdict.violations else of.quiet) or now - begun >= of.patience:
            break
        await asyncio.sleep(max(0.5, min(doubt, of.quiet) / _LOOKS))
        before, verdict = verdict, await _look(of)
        since = since if verdict == before else time.monotonic()
    verdict.counts["seconds"] = round(time.monotonic() - begun, 1)
    return verdict


def main() -> int:
    """Judge, print, and return the exit status."""
    try:
        verdict = asyncio.run(_verdict(_arguments()))
    except (KafkaError, PyMongoError, OSError, ValueError, TimeoutError) as error:
        sys.stderr.write(f"the judge could not look: {type(error).__name__}: {error}\n")
        return 2
    sys.stdout.write(json.dumps(verdict.as_json(), indent=1, default=str) + "\n")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
