"""`pantry rules`: check configuration files, try scoring rules on the leads there are, see how far leads follow."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import cyclopts
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.assignment.domain import AssignmentRules
from services.engagement.domain import Triggers
from services.nurture.sequences import Sequences
from services.rules import BANDS, Crossing, Simulation, Trial, thresholds
from services.scoring import job, store
from services.scoring.domain import RuleSet
from services.terminal import database_of
from shared.clock import system_clock
from shared.collections import LEADS
from shared.config import load, sections
from shared.mongo import Mongo
from shared.settings import Settings
from shared.storage import Storage

rules_app = cyclopts.App(name="rules", help="Rules: check them, try scoring rules, see how far leads follow them.")
_out = Console()


@rules_app.command
def check(file: Path | None = None) -> None:
    """Check a file of scoring rules, sequences, assignment or triggers; each fault is told with its place.

    Parameters
    ----------
    file
        The file; without it the four that the settings name.

    """
    settings = Settings()
    for path in [file] if file else _configured(settings):
        _say(f"{path}: {_checked(path, settings)}")


def _configured(settings: Settings) -> list[Path]:
    return [settings.rules_file, settings.sequences_file, settings.assignment_file, settings.triggers_file]


_Config = RuleSet | Sequences | AssignmentRules | Triggers


def model_of(path: Path) -> type[_Config]:
    """Return what kind of file it is, by its sections; one that shows none of them is taken for scoring rules."""
    found = sections(path)
    if "sequences" in found or "templates" in found:
        return Sequences
    if "default_queue" in found:
        return AssignmentRules
    return Triggers if "triggers" in found else RuleSet


def _checked(path: Path, settings: Settings) -> str:
    """Return what a file that can be used holds. Raises `ConfigError`."""
    found = load(path, model_of(path), settings.zone)
    if isinstance(found, RuleSet):
        off = sum(not rule.enabled for rule in found.rules)
        return f"{len(found.rules)} rules, all fine" + (f"; {off} of them not enabled" if off else "")
    if isinstance(found, Sequences):
        return f"{len(found.sequences)} sequences, {len(found.templates)} templates, all fine"
    if isinstance(found, AssignmentRules):
        return f"{len(found.rules)} assignment rules, all fine"
    return f"{len(found.triggers)} triggers, all fine"


@rules_app.command
def simulate(file: Path, *, json: bool = False) -> None:
    """Show what would change if this file's rules replaced those of PANTRY_RULES_FILE; change nothing.

    Parameters
    ----------
    file
        The new rules.
    json
        Print it as JSON, for programs.

    """
    settings = Settings()
    new = load(file, RuleSet, settings.zone)
    simulation = asyncio.run(simulated(settings, database_of(settings), new))
    if json:
        _say(simulation.as_json())
    else:
        _show(simulation)


@rules_app.command
def status() -> None:
    """Show which rules are in use, and how far the leads have been scored under them."""
    settings = Settings()
    _say(asyncio.run(_told(database_of(settings), settings.mongo_database)))


async def simulated(settings: Settings, mongo: Mongo, new: RuleSet) -> Simulation:
    """What `new` would change on all leads of the database at `mongo`. Raises `ConfigError`."""
    zone = settings.zone
    assignment = load(settings.assignment_file, AssignmentRules, zone)
    limits = thresholds(load(settings.sequences_file, Sequences, zone), assignment)
    trial = Trial(load(settings.rules_file, RuleSet, zone), new, assignment, limits, system_clock())
    storage = Storage(mongo, settings.mongo_database)
    try:
        async for leads in storage.scan(LEADS, fields=sorted(trial.sections)):
            trial.add(leads)
    finally:
        storage.close()
    return trial.result()


async def _told(mongo: Mongo, database: str) -> str:
    storage = Storage(mongo, database)
    try:
        return job.words(await store.job_row(storage))
    finally:
        storage.close()


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _show(simulation: Simulation) -> None:
    _say(f"{simulation.changed:,} of {simulation.leads:,} leads would have another score")
    bands = Table("score", "leads now", "leads then", title="Distribution", title_justify="left")
    for number in range(BANDS):
        top = 100 if number == BANDS - 1 else 10 * number + 9
        bands.add_row(f"{10 * number}-{top}", f"{simulation.before[number]:,}", f"{simulation.after[number]:,}")
    crossed = Table("threshold", "rise above", "fall back", "such as", title="Crossings", title_justify="left")
    for one in simulation.crossings:
        crossed.add_row(f"{one.value:g}", f"{one.rise:,}", f"{one.fall:,}", escape(_examples(one)))
    owners = Table("owner", "open leads now", "if assigned afresh", title="Load", title_justify="left")
    for owner in simulation.owners:
        owners.add_row(escape(owner.owner), f"{owner.before:,}", f"{owner.after:,}")
    for table in (bands, crossed, owners):
        _out.print(table)
    for line in _doubts(simulation):
        _say(line)


def _examples(crossing: Crossing) -> str:
    more = crossing.rise + crossing.fall - len(crossing.examples)
    return ", ".join(crossing.examples) + (f" and {more:,} more" if more else "")


def _doubts(simulation: Simulation) -> Iterator[str]:
    yield f"rules that never fire: {', '.join(simulation.never) or 'none'}"
    for rule, leads in simulation.errors.items():
        yield f"rule {rule} can't be judged for {leads:,} leads, and is skipped there"
