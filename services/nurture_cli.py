"""`pantry nurture`: what nurture did with a lead, and what it is about to do."""

import asyncio

import cyclopts
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.nurture import store
from services.nurture.telling import Story, tell
from services.terminal import Misused, database_of
from shared.clock import system_clock
from shared.leads import read_leads
from shared.mongo import Mongo
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
    stories = asyncio.run(stories_of(database_of(settings), settings.mongo_database, lead))
    if stories is None:
        raise Misused(f"there is no lead {lead}")
    if not stories:
        _out.print("nothing has enrolled this lead yet")
    for story in stories:
        _out.print(_table(story))


async def stories_of(mongo: Mongo, database: str, lead_id: str) -> list[Story] | None:
    """The lead's rounds through sequences; None when nobody knows the lead."""
    storage = Storage(mongo, database)
    try:
        lead = (await read_leads(storage, [lead_id])).get(lead_id)
        return tell(lead, *await store.of_lead(storage, lead_id), system_clock()) if lead else None
    finally:
        storage.close()


def _table(story: Story) -> Table:
    # Names and words come from configuration files and may have brackets, which are not meant as markup.
    table = Table("step", "action", "what became of it", title=escape(story.heading), title_justify="left")
    for line in story.lines:
        table.add_row(*(escape(text) for text in (line.step, line.action, line.words)))
    return table
