"""The workers by name; the only place that knows them all."""

from services.assignment import worker as assignment
from services.capture import store as capture_store
from services.capture import worker as capture
from services.conversion import worker as conversion
from services.engagement import worker as engagement
from services.erasure import worker as erasure
from services.gateway.auth import key_store as gateway_store
from services.insights import rollup_store, timeline_store
from services.insights import worker as insights
from services.nurture import store as nurture_store
from services.nurture import worker as nurture
from services.prediction import store as prediction_store
from services.prediction import worker as prediction
from services.qualification import worker as qualification
from services.scoring import store as scoring_store
from services.scoring import worker as scoring
from shared.consuming.worker import Build
from shared.leads import documents, pending_store
from shared.mongo.storage import Storage

_MODULES = (capture, scoring, assignment, engagement, qualification, nurture, conversion, erasure, insights, prediction)

WORKERS: dict[str, Build] = {module.NAME: module.build for module in _MODULES}

TOPICS_OF: dict[str, tuple[str, ...]] = {module.NAME: tuple(t.name for t in module.TOPICS) for module in _MODULES}
"""The topics that each worker reads."""


async def create_indexes(storage: Storage) -> None:
    """Create the indexes that are missing, and nothing else."""
    for owner in (
        documents,
        pending_store,
        capture_store,
        scoring_store,
        nurture_store,
        gateway_store,
        rollup_store,
        timeline_store,
        prediction_store,
    ):
        await owner.create_indexes(storage)
