"""The year of history of `pantry up --demo`: load it in the background, say how far it is, and train on it."""

from collections.abc import Callable
from datetime import timedelta

from services.demo.year_loading import LEADS, YearLoading
from services.prediction.training import train
from shared.clock import system_clock
from shared.errors import PantryError
from shared.kafka.reading import publishing
from shared.mongo.storage import Storage
from shared.service import ServerConnections
from shared.settings import Settings

_SAY_EVERY = 200
_EARLIER = timedelta(days=60)
"""The model knows what was known then, so that the leads since show whether it has drifted."""


async def load_demo_year(
    settings: Settings, to: ServerConnections, say: Callable[[str], None], leads: int = LEADS
) -> None:
    """Load the year, then train a model as of two months ago.

    A failure is said, and ends nothing else.
    """
    storage, through = Storage(to.mongo, settings.mongo_database), 0

    def advance(more: int) -> None:
        nonlocal through
        through += more
        if through % _SAY_EVERY == 0 or through == leads:
            say(f"A year of history: {through:,} of {leads:,} leads")

    try:
        async with publishing(to.kafka, idempotence=bool(settings.kafka_idempotence)) as publish:
            if not await YearLoading(storage, publish, settings, system_clock, advance).run(leads):
                return
        at = system_clock() - _EARLIER
        # That training is over a day old: the worker trains again at once.
        row = await train(storage, settings.prediction_horizon_days, at)
        why = f" ({'; '.join(row['why'])})" if row["why"] else ""
        say(f"Trained as of {at:%Y-%m-%d} on {row['examples']:,} leads with an outcome: {row['status']}{why}")
    except PantryError as error:
        say(f"The year of history is not complete: {error}. The next `pantry up --demo` goes on with it")
    finally:
        await storage.close()
