"""The scheduler: it publishes each due step once, whichever process takes it."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from schemas.outputs import NurtureAction
from schemas.topics import ACTIONS
from services.nurture import store
from services.nurture.domain.steps import decide_step, fault_in
from shared.consuming.worker import Runtime
from shared.domain.stored.nurture_documents import StepDocument
from shared.kafka.events import Cause, Outgoing, emit
from shared.leads.documents import read_leads
from shared.mongo import leases
from shared.mongo.leases import DuePoller
from shared.mongo.names import STEPS
from shared.policies import policy_of

_BATCH = 100
_PAGE = 1_000
_SHARE = 3
_log = structlog.get_logger()


class Scheduler:
    """Publishes due steps; `poller` runs it. Wake the poller after planning steps."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self.poller = DuePoller(runtime.storage, runtime.clock, STEPS, self.send_due)
        self._met_others = False

    async def send_due(self) -> int:
        """Handle up to a page of due steps; return their number."""
        steps = await leases.find(self._runtime.storage, STEPS, self._runtime.clock(), _PAGE)
        slices = [steps[start : start + _BATCH] for start in range(0, len(steps), _BATCH)]
        # After a conflict with another process, each takes a random share of the steps.
        for some in random.sample(slices, min(len(slices), _SHARE)) if self._met_others else slices:
            await self._send(some)
        return len(steps)

    async def _send(self, steps: Sequence[StepDocument]) -> None:
        runtime, now = self._runtime, self._runtime.clock()
        leads = await read_leads(runtime.storage, (step.get("leadId", "") for step in steps))
        before = await store.find_previous_steps(runtime.storage, steps)
        policy, zone = policy_of(runtime.settings), runtime.settings.zone
        decisions = {
            step["_id"]: decide_step(
                step, leads.get(step.get("leadId", "")), before.get(step["_id"]), now, policy, zone
            )
            for step in steps
        }
        lease = timedelta(seconds=runtime.settings.lease_s)
        ours, alone = await store.take_due_steps(runtime.storage, steps, decisions, now, lease)
        self._met_others = not alone
        actions, unreadable = actions_of(ours, self._name)
        await runtime.publisher.publish(self._name, actions)
        await store.finish_steps(runtime.storage, ours, unreadable)
        _log.info("steps.through", worker=self._name, due=len(steps), sent=len(actions))


def actions_of(steps: Iterable[StepDocument], worker: str) -> tuple[list[Outgoing], dict[str, str]]:
    """Return the events of decided steps, and the faults of unreadable steps by id."""
    events, faults = [], {}
    for step in steps:
        try:
            events.append(action_of(step, worker))
        except Exception as error:  # noqa: BLE001 - one step harms no other, whatever is stored of it
            faults[step["_id"]] = f"the decided step can't be read: {fault_in(error)}"
            _log.warning("step.unreadable", worker=worker, step=step["_id"], why=faults[step["_id"]])
    return events, faults


def action_of(step: StepDocument, worker: str) -> Outgoing:
    """Return the event of a decided step; it is the same at each publish."""
    action = NurtureAction.model_validate(step["decided"])
    cause = Cause(step["_id"], step["causationId"], step["correlationId"])
    source = f"/services/{worker}"
    return emit(ACTIONS, action, cause=cause, key=step["leadId"], source=source, at=step["decidedAt"])
