"""The prediction worker: predicts each open lead's conversion and keeps the model current."""

from collections.abc import Sequence

from schemas import topics
from services.prediction import store
from services.prediction.predicting import Predictor
from services.prediction.retraining import Retraining
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.kafka.events import Received, Result
from shared.mongo import names as c
from shared.mongo.leases import DuePoller
from shared.mongo.names import PREDICTIONS

NAME = "prediction"
TOPICS = tuple(topic for topic in topics.TOPICS.values() if NAME in topic.consumers)
# Events of a lead come in bursts: one prediction answers a burst.
_BEAT_S = 3.0


def build(runtime: Runtime) -> Worker:
    """Return the worker."""
    predicting, retraining = Predictor(runtime), Retraining(runtime)
    alarm = DuePoller(runtime.storage, runtime.clock, PREDICTIONS, predicting.take)

    async def handle(received: Sequence[Received]) -> Sequence[Result]:
        await predicting.predict({str(one.lead_id) for one in received})
        return ()

    return Worker(NAME, TOPICS, handle, (retraining.run,), (alarm,), ignores_invalid=True, beat_s=_BEAT_S)


MANIFEST = Manifest(
    name=NAME,
    says="predicts conversions, trains models",
    stage=100,
    topics=TOPICS,
    build=build,
    rights={
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.EDITS, c.TIMELINE, c.INSIGHTS, c.ROLLUPS), "find"),
        **dict.fromkeys((c.PREDICTIONS, c.MODELS), "find insert update remove"),
    },
    create_indexes=(store.create_indexes,),
)
