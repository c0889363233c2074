"""The schedule: each step goes out once, at its time, whichever process gets to it."""

import asyncio
from datetime import timedelta

import structlog

from schemas.outputs import NurtureAction
from schemas.topics import ACTIONS
from services.nurture import store
from services.nurture.domain import SENT, judge
from shared.events import Cause, Outgoing, emit
from shared.leads import read_leads
from shared.storage import Document
from shared.worker import Runtime

_BATCH = 100
# Steps that another process enrolled and then, being killed, never woke for.
_LONGEST_SLEEP_S = 5.0
_log = structlog.get_logger()


class Scheduler:
    """Sends due steps until told to stop; `wake` tells it that something may be due sooner than it knows."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at the schedule now."""
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send what is due, sleep until the next step is, and so on."""
        while not stopping.is_set():
            self._woken.clear()
            if not await self.send_due():
                await self._sleep(stopping)

    async def send_due(self) -> int:
        """Take one batch of due steps through; return how many there were."""
        runtime, now = self._runtime, self._runtime.clock()
        lease = timedelta(seconds=runtime.settings.lease_s)
        steps = await store.claim(runtime.storage, now, lease, _BATCH)
        if not steps:
            return 0
        leads = await read_leads(runtime.storage, (step["leadId"] for step in steps))
        judged = {step["_id"]: judge(step, leads.get(step["leadId"])) for step in steps if "decided" not in step}
        ours = await store.decide(runtime.storage, steps, judged, now)
        await runtime.publisher.publish(self._name, [self._event(step) for step in ours])
        await store.finish(runtime.storage, ours, SENT)
        _log.info("steps.through", worker=self._name, due=len(steps), sent=len(ours))
        return len(steps)

    def _event(self, step: Document) -> Outgoing:
        action = NurtureAction.model_validate(step["decided"])
        cause = Cause(step["_id"], step["causationId"], step["correlationId"])
        source = f"/services/{self._name}"
        return emit(ACTIONS, action, cause=cause, key=step["leadId"], source=source, at=step["decidedAt"])

    async def _sleep(self, stopping: asyncio.Event) -> None:
        next_wake = await store.next_wake(self._runtime.storage)
        until = (next_wake - self._runtime.clock()).total_seconds() if next_wake else _LONGEST_SLEEP_S
        waits = [asyncio.ensure_future(event.wait()) for event in (self._woken, stopping)]
        await asyncio.wait(waits, timeout=min(max(until, 0.001), _LONGEST_SLEEP_S), return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()
