"""The schedule: each step goes out once, at its time, whichever process gets to it."""

import asyncio
import random
from collections.abc import Sequence
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
_PAGE = 1_000
# Steps that another process enrolled and then, being killed, never woke for.
_LONGEST_SLEEP_S = 5.0
_log = structlog.get_logger()


class Scheduler:
    """Sends due steps until told to stop; `wake` tells it that something may be due sooner than it knows."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self._woken = asyncio.Event()
        self._met = False

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
        """Take what is due now through, up to a page of it; return how many steps there were."""
        steps = await store.due(self._runtime.storage, self._runtime.clock(), _PAGE)
        slices = [steps[start : start + _BATCH] for start in range(0, len(steps), _BATCH)]
        # Processes that meet at the same steps part by taking them in different orders.
        for some in random.sample(slices, len(slices)) if self._met else slices:
            await self._send(some)
        return len(steps)

    async def _send(self, steps: Sequence[Document]) -> None:
        runtime, now = self._runtime, self._runtime.clock()
        leads = await read_leads(runtime.storage, (step["leadId"] for step in steps))
        judged = {step["_id"]: judge(step, leads.get(step["leadId"])) for step in steps}
        lease = timedelta(seconds=runtime.settings.lease_s)
        ours, alone = await store.decide(runtime.storage, steps, judged, now, lease)
        self._met = not alone
        await runtime.publisher.publish(self._name, [self._event(step) for step in ours])
        await store.finish(runtime.storage, ours, SENT)
        _log.info("steps.through", worker=self._name, due=len(steps), sent=len(ours))

    def _event(self, step: Document) -> Outgoing:
        action = NurtureAction.model_validate(step["decided"])
        cause = Cause(step["_id"], step["causationId"], step["correlationId"])
        source = f"/services/{self._name}"
        return emit(ACTIONS, action, cause=cause, key=step["leadId"], source=source, at=step["decidedAt"])

    async def _sleep(self, stopping: asyncio.Event) -> None:
        now = self._runtime.clock()
        next_wake = await store.next_wake(self._runtime.storage, now + timedelta(seconds=_LONGEST_SLEEP_S))
        until = (next_wake - now).total_seconds() if next_wake else _LONGEST_SLEEP_S
        waits = [asyncio.ensure_future(event.wait()) for event in (self._woken, stopping)]
        await asyncio.wait(waits, timeout=max(until, 0.001), return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()
