"""Loads a year of history into a running `pantry up`, in parts, so that new leads need not wait behind it.

Crash at any point → some parts are loaded → the next `up --demo` finds them by their derived ids and loads the others.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta

from schemas.topics import CAPTURED
from services.demo.year import PastLead, end_of_year, generate_year
from services.ingest.domain.capture_events import event_of
from services.ingest.domain.history.past_outcomes import outcome_events
from services.ingest.past_loading import NoLeads, cause_key, find_leads, past_id, past_record
from shared.clock import Clock
from shared.domain.ids import derive
from shared.kafka.events import Outgoing
from shared.kafka.reading import Publish
from shared.mongo.names import CAPTURES, COMMANDS
from shared.mongo.storage import Storage
from shared.settings import Settings

LEADS = 2_000
SOURCE = "/demo/year"
_PART = 50
_LOOK_S = 0.5
_PATIENCE = timedelta(minutes=5)


class YearLoading:
    """Loads the year; `advance` gets the number of leads that are through."""

    def __init__(
        self, storage: Storage, publish: Publish, settings: Settings, clock: Clock, advance: Callable[[int], None]
    ) -> None:
        self._storage, self._publish, self._settings = storage, publish, settings
        self._clock, self._advance = clock, advance

    async def run(self, leads: int = LEADS) -> bool:
        """Load what is not there; return whether anything was missing. Raises `NoLeads` if the workers do nothing."""
        first = (await self._storage.read(CAPTURES, [_key(0)])).get(_key(0))
        if first and "capturedAt" not in first:
            # The user erased the first lead of a year that was loaded.
            return False
        end = (
            end_of_year(first["capturedAt"])
            if first
            else self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        )
        year = generate_year(leads, end)
        missing = [await self._load(year[start : start + _PART]) for start in range(0, leads, _PART)]
        return any(missing)

    async def _load(self, part: Sequence[PastLead]) -> bool:
        by_key = {_key(one.number): one for one in part}
        stored = await self._storage.read(CAPTURES, by_key, fields=("_id",))
        await self._publish([self._capture(one) for key, one in by_key.items() if key not in stored])
        found: dict[str, PastLead] = {}
        async for some in find_leads(self._storage, by_key, self._clock):
            found |= {lead_id: by_key[key] for key, lead_id in some.items()}
        commands = {key: record for lead_id, one in found.items() for key, record in self._commands(lead_id, one)}
        missing = len(stored) < len(by_key) or bool(await self._undone(commands))
        if missing:
            await self._publish([deed for lead_id, one in found.items() for deed in self._deeds(lead_id, one)])
            await self._publish(list(commands.values()))
            await self._wait(commands)
        self._advance(len(part))
        return missing

    async def _undone(self, keys: Collection[str]) -> list[str]:
        rows = await self._storage.read(COMMANDS, keys, fields=("_id",))
        return [key for key in keys if key not in rows]

    async def _wait(self, keys: Collection[str]) -> None:
        """Wait until the workers have carried out a part: the next one must not pile up before new leads."""
        since, left = self._clock(), len(keys)
        while undone := await self._undone(keys):
            if len(undone) < left:
                since, left = self._clock(), len(undone)
            if self._clock() - since > _PATIENCE:
                raise NoLeads(f"{left} commands of the year of history have no outcome")
            await asyncio.sleep(_LOOK_S)

    def _capture(self, one: PastLead) -> Outgoing:
        payload, region = CAPTURED.model.model_validate(one.capture), self._settings.region
        return event_of(CAPTURED, payload, id_=_event_id(one.number), source=SOURCE, at=one.at, region=region)

    def _deeds(self, lead_id: str, one: PastLead) -> list[Outgoing]:
        return [
            event_of(
                deed.topic,
                deed.topic.model.model_validate({**deed.payload, "leadId": lead_id}),
                id_=f"{_event_id(one.number)}-{number}",
                source=SOURCE,
                at=deed.at,
                region=self._settings.region,
            )
            for number, deed in enumerate(one.deeds)
        ]

    def _commands(self, lead_id: str, one: PastLead) -> Iterator[tuple[str, Outgoing]]:
        for event in outcome_events(lead_id, one.outcome, one.at, self._settings.reasons_lost):
            yield cause_key(SOURCE, past_id(event)), past_record(event, SOURCE, self._settings.region)


def year_lead_ids(leads: int = LEADS) -> frozenset[str]:
    """Return the ids of the year's leads: no account of a demo counts them."""
    return frozenset(derive("lead", _key(number)) for number in range(leads))


def _event_id(number: int) -> str:
    return f"past-{number:05d}"


def _key(number: int) -> str:
    return cause_key(SOURCE, _event_id(number))
