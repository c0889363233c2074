"""`pantry nurture`: what nurture did with a lead, and what it is about to do."""

import asyncio

import cyclopts
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.nurture import store
from services.nurture.telling import Story, consent_lines, tell
from services.terminal import Misused, database_of
from shared.clock import system_clock
from shared.domain.permission import Policy
from shared.leads import read_leads
from shared.mongo import Mongo
from shared.policies import policy_of
from shared.settings import Settings
from shared.storage import Storage

nurture_app = cyclopts.App(name="nurture", help="What nurture does with a lead.")
_out = Console()


@nurture_app.command
def show(lead: str) -> None:
    """Show what went out to a lead, what did not and why, and what is to come.

    Parameters
    ----------
    lead
        The lead's id.

    """
    settings = Settings()
    found = asyncio.run(story_of(database_of(settings), settings.mongo_database, lead, policy_of(settings)))
    if found is None:
        raise Misused(f"there is no lead {lead}")
    consent, stories = found
    for line in consent:
        _out.print(line)
    if not stories:
        _out.print("nothing has enrolled this lead yet")
    for story in stories:
        _out.print(_table(story))


async def story_of(mongo: Mongo, database: str, lead_id: str, policy: Policy) -> tuple[list[str], list[Story]] | None:
    """What may go to the lead, and its rounds through sequences; None when nobody knows the lead."""
    storage = Storage(mongo, database)
    try:
        lead = (await read_leads(storage, [lead_id])).get(lead_id)
        if lead is None:
            return None
        stories = tell(lead, *await store.of_lead(storage, lead_id), system_clock(), policy)
        return consent_lines(lead, policy), stories
    finally:
        storage.close()


def _table(story: Story) -> Table:
    # Names and words come from configuration files and may have brackets, which are not meant as markup.
    table = Table("step", "action", "what became of it", title=escape(story.heading), title_justify="left")
    for line in story.lines:
        table.add_row(*(escape(text) for text in (line.step, line.action, line.words)))
    return table
