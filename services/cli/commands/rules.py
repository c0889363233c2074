"""`pantry rules`: check configuration, simulate scoring rules, show rescoring progress."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import cyclopts
from rich.markup import escape
from rich.table import Table

from schemas.attributes import Attributes
from services.assignment.domain.decide import AssignmentRules
from services.cli.common import console
from services.cli.database import database_of
from services.engagement.domain.decide import Triggers
from services.nurture.domain.sequences import Sequences, attributes_in
from services.scoring import store
from services.scoring.domain import rescoring_job
from services.scoring.domain.decide import RuleSet
from services.simulation.domain.scoring_rules import BANDS, Crossing, Simulation, Trial, thresholds
from shared.clock import system_clock
from shared.config import ConfigError, load_config, sections
from shared.domain.identity.placeholders import Placeholders
from shared.domain.rules.attribute_conditions import condition_fault, undeclared
from shared.domain.rules.conditions import Condition
from shared.mongo.connection import Mongo
from shared.mongo.names import LEADS
from shared.mongo.storage import Storage
from shared.settings import Settings

rules_app = cyclopts.App(
    name="rules", help="Check rules, simulate new scoring rules, and show the progress of rescoring."
)
_out = console()


@rules_app.command(name="check")
def check_files(file: Path | None = None) -> None:
    """Check configuration files, and show where each fault is.

    A file has scoring rules, sequences, assignment rules, triggers, placeholders or attributes.

    Parameters
    ----------
    file
        The file. By default the six files in the settings.
    """
    settings = Settings()
    attributes = load_config(settings.attributes_file, Attributes, settings.zone)
    for path in [file] if file else _configured(settings):
        _say(f"{path}: {_describe(path, settings, attributes)}")


def _configured(settings: Settings) -> list[Path]:
    return [
        settings.rules_file,
        settings.sequences_file,
        settings.assignment_file,
        settings.triggers_file,
        settings.placeholders_file,
        settings.attributes_file,
    ]


_Config = RuleSet | Sequences | AssignmentRules | Triggers | Placeholders | Attributes


def config_type_of(path: Path) -> type[_Config]:
    """Return the kind of a configuration file by its sections; scoring rules if none matches."""
    found = sections(path)
    if "sequences" in found or "templates" in found:
        return Sequences
    if "default_queue" in found:
        return AssignmentRules
    if found & {"emails", "phones"}:
        return Placeholders
    if "attributes" in found:
        return Attributes
    return Triggers if "triggers" in found else RuleSet


def _describe(path: Path, settings: Settings, attributes: Attributes) -> str:
    """Describe a valid file. Raises `ConfigError`, also if it names an attribute otherwise than it is declared."""
    found = load_config(path, config_type_of(path), settings.zone)
    if faults := [f"{path}: {one}" for one in attribute_faults(found, attributes)]:
        raise ConfigError("\n".join(faults))
    if isinstance(found, RuleSet):
        off = sum(not rule.enabled for rule in found.rules)
        return f"{len(found.rules)} rules, all valid" + (f"; {off} of them disabled" if off else "")
    if isinstance(found, Sequences):
        return f"{len(found.sequences)} sequences, {len(found.templates)} templates, all valid"
    if isinstance(found, AssignmentRules):
        return f"{len(found.rules)} assignment rules, all valid"
    if isinstance(found, Attributes):
        return f"{len(found.attributes)} attributes, all valid"
    if isinstance(found, Placeholders):
        return f"{len(found.emails)} addresses, {len(found.phones)} phone numbers, all valid"
    return f"{len(found.triggers)} triggers, all valid"


def attribute_faults(found: _Config, attributes: Attributes) -> Iterator[str]:
    """Yield the conditions and templates of a configuration that don't fit the declared attributes."""
    for place, condition in _conditions(found):
        if fault := condition_fault(condition, attributes):
            yield f"{place}, {condition.field}: {fault}"
    for name, template in found.templates.items() if isinstance(found, Sequences) else ():
        for attribute in sorted(attributes_in(template) - attributes.by_name.keys()):
            yield f"template '{name}': {undeclared(attribute)}"


def _conditions(found: _Config) -> Iterator[tuple[str, Condition]]:
    """Yield each condition of a configuration with its place."""
    if isinstance(found, RuleSet | AssignmentRules):
        yield from ((f"rule '{rule.name}'", one) for rule in found.rules for one in rule.conditions)
    if isinstance(found, Sequences):
        yield from ((f"select '{entry.sequence}'", one) for entry in found.select for one in entry.conditions)
        for sequence in found.sequences:
            for step in sequence.steps:
                yield from ((f"sequence '{sequence.id}', step '{step.id}'", one) for one in step.conditions)


@rules_app.command
def simulate(file: Path, *, json: bool = False) -> None:
    """Show what this file's rules would change, compared with those in PANTRY_RULES_FILE.

    Nothing is changed.

    Parameters
    ----------
    file
        The new rules.
    json
        Print JSON, for programs.
    """
    settings = Settings()
    new = load_config(file, RuleSet, settings.zone)
    simulation = asyncio.run(run_simulation(settings, database_of(settings), new))
    if json:
        _say(simulation.as_json())
    else:
        _show(simulation)


@rules_app.command
def status() -> None:
    """Show which rules are in use, and how many leads they have scored."""
    settings = Settings()
    _say(asyncio.run(_rescoring_status(database_of(settings), settings.mongo_database)))


async def run_simulation(settings: Settings, mongo: Mongo, new: RuleSet) -> Simulation:
    """Return what `new` would change on all leads at `mongo`. Raises `ConfigError`."""
    zone = settings.zone
    assignment = load_config(settings.assignment_file, AssignmentRules, zone)
    limits = thresholds(load_config(settings.sequences_file, Sequences, zone), assignment)
    trial = Trial(load_config(settings.rules_file, RuleSet, zone), new, assignment, limits, system_clock())
    storage = Storage(mongo, settings.mongo_database)
    try:
        async for leads in storage.scan(LEADS, fields=sorted(trial.sections)):
            trial.add(leads)
    finally:
        await storage.close()
    return trial.result()


async def _rescoring_status(mongo: Mongo, database: str) -> str:
    storage = Storage(mongo, database)
    try:
        return rescoring_job.job_summary(await store.read_job(storage))
    finally:
        await storage.close()


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _show(simulation: Simulation) -> None:
    _say(f"{simulation.changed:,} of {simulation.leads:,} leads would have another score")
    bands = Table("score", "leads now", "leads after", title="Distribution", title_justify="left")
    for number in range(BANDS):
        top = 100 if number == BANDS - 1 else 10 * number + 9
        bands.add_row(f"{10 * number}-{top}", f"{simulation.before[number]:,}", f"{simulation.after[number]:,}")
    crossed = Table("threshold", "rise above", "fall below", "examples", title="Crossings", title_justify="left")
    for one in simulation.crossings:
        crossed.add_row(f"{one.value:g}", f"{one.rise:,}", f"{one.fall:,}", escape(_examples(one)))
    owners = Table("owner", "open leads now", "if assigned again", title="Load", title_justify="left")
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
        yield f"rule {rule} fails on {leads:,} leads, and is skipped for them"
