"""The list of leads as a file: it is read page by page while the client takes it."""

from collections.abc import AsyncIterator

import structlog

from services.gateway.leads.domain.list_table import header, rows_of
from services.gateway.leads.page_queries import Page, find_page
from shared.domain.ids import loggable_id
from shared.domain.listing import Question
from shared.mongo.storage import Storage
from shared.observability.metrics import Metrics

_PAGE = 200
_log = structlog.get_logger()


async def csv_lines(
    storage: Storage, question: Question, between: tuple[str, str], metrics: Metrics
) -> AsyncIterator[str]:
    """Yield the lines of all leads that match the question and have a key in this range, newest first."""
    floor, upper = between
    yield header()
    following: str | None = upper
    while following is not None:
        page = await find_page(storage, question, following, _PAGE, floor)
        note_unreadable(page, metrics)
        yield rows_of(page.leads)
        following = page.last


def note_unreadable(page: Page, metrics: Metrics) -> None:
    """Count and log the leads that a page leaves out: they can't be shown as stored."""
    for lead_id in page.unreadable:
        metrics.unreadable.inc()
        _log.error("lead.unreadable", lead_id=loggable_id(lead_id), check="pantry leads check")
