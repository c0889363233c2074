"""The schedule: each step goes out once, at its time, whichever process gets to it."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from schemas.outputs import NurtureAction
from schemas.topics import ACTIONS
from services.nurture import store
from services.nurture.domain import fault_in, judge
from shared import due
from shared.collections import STEPS
from shared.due import Alarm
from shared.events import Cause, Outgoing, emit
from shared.leads import read_leads
from shared.policies import policy_of
from shared.storage import Document
from shared.worker import Runtime

_BATCH = 100
_PAGE = 1_000
_SHARE = 3
_log = structlog.get_logger()


class Scheduler:
    """Sends due steps; `alarm` runs it, and is to be woken when something may be due sooner than it knows."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self.alarm = Alarm(runtime.storage, runtime.clock, STEPS, self.send_due)
        self._met = False

    async def send_due(self) -> int:
        """Take what is due now through, up to a page of it; return how many steps there were."""
        steps = await due.find(self._runtime.storage, STEPS, self._runtime.clock(), _PAGE)
        slices = [steps[start : start + _BATCH] for start in range(0, len(steps), _BATCH)]
        # Processes that meet at the same steps part by taking some of them at random, and looking again soon.
        for some in random.sample(slices, min(len(slices), _SHARE)) if self._met else slices:
            await self._send(some)
        return len(steps)

    async def _send(self, steps: Sequence[Document]) -> None:
        runtime, now = self._runtime, self._runtime.clock()
        leads = await read_leads(runtime.storage, (step.get("leadId", "") for step in steps))
        before = await store.before(runtime.storage, steps)
        policy, zone = policy_of(runtime.settings), runtime.settings.zone
        judged = {
            step["_id"]: judge(step, leads.get(step.get("leadId", "")), before.get(step["_id"]), now, policy, zone)
            for step in steps
        }
        lease = timedelta(seconds=runtime.settings.lease_s)
        ours, alone = await store.decide(runtime.storage, steps, judged, now, lease)
        self._met = not alone
        actions, unreadable = actions_of(ours, self._name)
        await runtime.publisher.publish(self._name, actions)
        await store.finish(runtime.storage, ours, unreadable)
        _log.info("steps.through", worker=self._name, due=len(steps), sent=len(actions))


def actions_of(steps: Iterable[Document], worker: str) -> tuple[list[Outgoing], dict[str, str]]:
    """The events that decided steps go out as; and by id why a step can be none."""
    events, faults = [], {}
    for step in steps:
        try:
            events.append(action_of(step, worker))
        except Exception as error:  # noqa: BLE001 - one step harms no other, whatever is stored of it
            faults[step["_id"]] = f"the decided step can't be read: {fault_in(error)}"
            _log.warning("step.unreadable", worker=worker, step=step["_id"], why=faults[step["_id"]])
    return events, faults


def action_of(step: Document, worker: str) -> Outgoing:
    """The event that a decided step goes out as: the same whoever publishes it, and however often."""
    action = NurtureAction.model_validate(step["decided"])
    cause = Cause(step["_id"], step["causationId"], step["correlationId"])
    source = f"/services/{worker}"
    return emit(ACTIONS, action, cause=cause, key=step["leadId"], source=source, at=step["decidedAt"])
