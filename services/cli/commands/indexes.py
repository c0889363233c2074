"""`pantry indexes`: create MongoDB's indexes, and rewrite claims of earlier releases."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import cyclopts

from services.capture.claim_rewriting import Publish, Rewriter, RewritingResult
from services.cli.brokers import broker_of, check_broker_answers
from services.cli.common import console
from services.cli.database import with_storage
from services.composition.workers import create_indexes
from shared.clock import system_clock
from shared.config import ConfigError, load_config
from shared.domain.identity.identity_rules import IdentityRules
from shared.domain.identity.placeholders import Placeholders
from shared.errors import UsageError
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.kafka.events import Outgoing
from shared.kafka.reading import Publish as Publishing
from shared.kafka.reading import publishing
from shared.mongo.storage import Storage, Unavailable
from shared.settings import Settings

indexes_app = cyclopts.App(name="indexes", help="Create the MongoDB indexes.")
_out = console()
# The embedded database reads a whole collection before it returns its first document.
_TIMEOUT_MS = 60_000
_FORBIDDEN = (
    "this user may not rewrite claims of earlier releases; workers still find them. To rewrite them, run"
    " `pantry access apply` as an administrator, then `pantry indexes apply` again"
)


@indexes_app.command(name="apply")
def indexes_apply() -> None:
    """Create the missing indexes, and rewrite claims of earlier releases.

    If a rewritten claim shows that two leads look like one person, the pair is published on `leads.suspected`. This
    needs a broker in the settings. Workers may run meanwhile.
    """
    with_storage(create_indexes)
    _say("all indexes exist")
    settings = Settings()
    try:
        counting = IdentityRules(
            load_config(settings.placeholders_file, Placeholders, settings.zone), settings.shared_identifier_max
        )
    except ConfigError as error:
        _warn(f"claims of earlier releases were not rewritten: {error}")
        return
    with_storage(lambda storage: _rewrite(storage, settings, counting), timeout_ms=_TIMEOUT_MS)


async def _rewrite(storage: Storage, settings: Settings, counting: IdentityRules) -> None:
    async with AsyncExitStack() as stack:
        publish = _publish_to(settings, stack) if settings.kafka_bootstrap else None
        try:
            _print_done(await Rewriter(storage, settings.region, counting, system_clock, publish).run(), settings)
        except Unavailable as error:
            if not error.forbidden:
                raise
            _warn(_FORBIDDEN)


def _publish_to(settings: Settings, stack: AsyncExitStack) -> Publish:
    """Return a publish function that opens its producer on first use; False if Kafka fails."""
    opened: list[Publishing] = []

    async def publish(records: Sequence[Outgoing]) -> bool:
        try:
            if not opened:
                kafka = broker_of(settings)
                await check_broker_answers(kafka)
                idempotence = bool(settings.kafka_idempotence)
                opened.append(await stack.enter_async_context(publishing(kafka, idempotence=idempotence)))
            await opened[0](records)
        except (BrokerUnavailable, RecordRefused, UsageError) as error:
            _warn(f"suspected pairs of leads can't be published: {_why(error)}")
            return False
        return True

    return publish


def _why(error: Exception) -> str:
    # The text of a broker's error can quote the record.
    return error.kind if isinstance(error, BrokerUnavailable) else str(error)


def _print_done(done: RewritingResult, settings: Settings) -> None:
    claims, pairs = _counted(done.rewritten, "claim"), _counted(len(done.pairs), "pair")
    _say(f"rewrote {claims}, found {pairs} of leads that look like one person, {len(done.unpublished):,} unpublished")
    if done.unpublished and not settings.kafka_bootstrap:
        _warn("to publish the suspected pairs, set PANTRY_KAFKA_BOOTSTRAP to the broker, and run it again")
    if done.kept:
        _say(f"left in the older form, where workers still find them: {_counted(len(done.kept), 'claim')}")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


def _warn(text: str) -> None:
    console(stderr=True).print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
