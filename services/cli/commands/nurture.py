"""`pantry nurture`: show what nurture did with a lead, and what comes next."""

import asyncio

import cyclopts
from rich.markup import escape
from rich.table import Table

from services.cli.common import console
from services.cli.database import database_of
from services.nurture import store
from services.nurture.domain.explanation import Explanation, consent_lines, explain_nurture
from shared.clock import system_clock
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.errors import UsageError
from shared.leads.documents import read_leads
from shared.mongo.connection import Mongo
from shared.mongo.storage import Storage
from shared.policies import policy_of
from shared.settings import Settings

nurture_app = cyclopts.App(name="nurture", help="Show what nurture did with a lead.")
_out = console()


@nurture_app.command(name="show")
def show_nurture(lead: str) -> None:
    """Show what was sent to a lead, what was not and why, and what comes next.

    Parameters
    ----------
    lead
        The lead's id.

    """
    settings = Settings()
    found = asyncio.run(explanation_of(database_of(settings), settings.mongo_database, lead, policy_of(settings)))
    if found is None:
        raise UsageError(f"there is no lead {lead}")
    consent, explanations = found
    for line in consent:
        _out.print(line)
    if not explanations:
        _out.print("this lead is in no sequence yet")
    for one in explanations:
        _out.print(_table(one))


async def explanation_of(
    mongo: Mongo, database: str, lead_id: str, policy: ConsentPolicy
) -> tuple[list[str], list[Explanation]] | None:
    """Return which channels the lead allows, and its enrolments; None if the lead is unknown."""
    storage = Storage(mongo, database)
    try:
        lead = (await read_leads(storage, [lead_id])).get(lead_id)
        if lead is None:
            return None
        explanations = explain_nurture(lead, *await store.read_nurture(storage, lead_id), system_clock(), policy)
        return consent_lines(lead, policy), explanations
    finally:
        await storage.close()


def _table(explanation: Explanation) -> Table:
    # Names and words from configuration files may contain brackets, which are no markup here.
    table = Table("step", "action", "state", title=escape(explanation.heading), title_justify="left")
    for line in explanation.lines:
        table.add_row(*(escape(text) for text in (line.step, line.action, line.words)))
    return table
