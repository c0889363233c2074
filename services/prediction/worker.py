"""The prediction worker: each open lead has a probability of converting, and the model behind it is kept fresh."""

from collections.abc import Sequence
from datetime import timedelta

from schemas import topics
from services.prediction import store
from services.prediction.predicting import Predicting
from services.prediction.retraining import Retraining
from shared.collections import PREDICTIONS
from shared.due import Alarm
from shared.events import Received, Result
from shared.worker import Runtime, Worker

NAME = "prediction"
TOPICS = tuple(topic for topic in topics.TOPICS.values() if NAME in topic.consumers)
# What happens to a lead comes in bursts: they are waited for, and answered by one prediction.
_SETTLES = timedelta(seconds=1)


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run."""
    predicting, retraining = Predicting(runtime), Retraining(runtime)
    alarm = Alarm(runtime.storage, runtime.clock, PREDICTIONS, predicting.take)

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        erased = {str(one.lead_id) for one in received if one.record.topic == topics.ERASED.name}
        changed = {str(one.lead_id) for one in received} - erased
        await runtime.storage.delete(PREDICTIONS, erased)
        await store.ask(runtime.storage, changed, runtime.clock() + _SETTLES)
        alarm.wake()
        return ()

    return Worker(NAME, TOPICS, handle, (retraining.run,), (alarm,), observes=True)
