"""`pantry nurture`: show what nurture did with a lead, and what comes next."""

import asyncio

import cyclopts
from rich.markup import escape
from rich.table import Table

from services.cli.common import UsageError, console, database_of
from services.nurture import store
from services.nurture.domain.explanation import Explanation, consent_lines, explain_nurture
from shared.clock import system_clock
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.leads.documents import read_leads
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from shared.policies import policy_of
from shared.settings import Settings

nurture_app = cyclopts.App(name="nurture", help="What nurture does with a lead.")
_out = console()


@nurture_app.command(name="show")
def show_nurture(lead: str) -> None:
    """Show what went out to a lead, what did not and why, and what is to come.

    Parameters
    ----------
    lead
        The lead's id.

    """
    settings = Settings()
    found = asyncio.run(explanation_of(database_of(settings), settings.mongo_database, lead, policy_of(settings)))
    if found is None:
        raise UsageError(f"there is no lead {lead}")
    consent, stories = found
    for line in consent:
        _out.print(line)
    if not stories:
        _out.print("nothing has enrolled this lead yet")
    for story in stories:
        _out.print(_table(story))


async def explanation_of(
    mongo: Mongo, database: str, lead_id: str, policy: ConsentPolicy
) -> tuple[list[str], list[Explanation]] | None:
    """Return which channels the lead allows, and its enrolments; None if the lead is unknown."""
    storage = Storage(mongo, database)
    try:
        lead = (await read_leads(storage, [lead_id])).get(lead_id)
        if lead is None:
            return None
        stories = explain_nurture(lead, *await store.read_nurture(storage, lead_id), system_clock(), policy)
        return consent_lines(lead, policy), stories
    finally:
        storage.close()


def _table(story: Explanation) -> Table:
    # Names and words from configuration files may contain brackets, which are no markup here.
    table = Table("step", "action", "what became of it", title=escape(story.heading), title_justify="left")
    for line in story.lines:
        table.add_row(*(escape(text) for text in (line.step, line.action, line.words)))
    return table
