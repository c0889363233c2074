"""The command `pantry`."""

import asyncio
import gc
import secrets
import sys
from typing import Annotated

import cyclopts
from aiokafka.errors import KafkaError
from cyclopts import Parameter
from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.table import Table

from deploy.local import Servers
from deploy.local.process import ServerFailed
from schemas.topics import TOPICS
from services.access_cli import access_app
from services.catalogue import TOPICS_OF, WORKERS, create_indexes
from services.deadletter_cli import deadletter_app
from services.demo.command import run as run_demo
from services.gateway import app as gateway
from services.import_cli import import_file
from services.insights_cli import insights_app
from services.keys_cli import keys_app
from services.lead_cli import leads_app
from services.nurture_cli import nurture_app
from services.people_cli import people_app, way_in
from services.promises_cli import promises
from services.report_cli import report
from services.rules_cli import rules_app
from services.running import connections, prepare, running, servers, stop_signals
from services.terminal import Misused, broker_of, gateway_secret_of, named, with_storage, without_login
from shared.clock import unless
from shared.config import ConfigError
from shared.log import create_topics, lag
from shared.logs import configure, guard
from shared.settings import Settings
from shared.storage import Storage

app = cyclopts.App(name="pantry", help="Lead-management workers of Kitchen Pantry CRM.")
topics_app = cyclopts.App(name="topics", help="The Kafka topics.")
indexes_app = cyclopts.App(name="indexes", help="MongoDB's indexes.")
for _sub in (topics_app, indexes_app, deadletter_app, insights_app, keys_app, nurture_app, people_app, rules_app):
    app.command(_sub)
app.command(access_app)
app.command(leads_app)
app.command(import_file, name="import")
app.command(promises)
app.command(report)
# What only this command needs takes seconds to import.
app.command("services.model_cli:model_app", name="model", help="The models that predict which leads convert.")
_out = Console()
_DEMO_ORPHAN_TTL_S = 10.0


@app.command
def up(*, demo: bool = False) -> None:
    """Run everything on this machine until Ctrl-C: servers that the settings don't name, topics, all workers.

    Parameters
    ----------
    demo
        Feed 200 leads through the funnel, then go on running.

    """
    settings = _with_secret(Settings(), made=True)
    configure(settings)
    with servers(settings) as found:
        to = connections(settings, found)

        async def main() -> None:
            await prepare(settings, to)
            with stop_signals() as stop:
                async with running(settings, to, front=gateway.front) as service:
                    url = service.http or ""
                    inside = await way_in(service.storage, gateway_secret_of(settings), settings.public_url or url)
                    _tell(found, url, inside)
                    if demo:
                        seed = secrets.randbelow(10**6)
                        await unless(stop, run_demo(settings, to, leads=200, seed=seed, console=_out))
                    await stop.wait()

        asyncio.run(main())


def _tell(found: Servers, url: str, dashboard: str) -> None:
    database = without_login(found.mongo_url)
    lines = (
        f"Kafka      {found.kafka_bootstrap}  ({found.broker})",
        f"MongoDB    {database}  ({found.database})",
        f"Gateway    {url}/docs",
        f"Health     {url}/healthz  /readyz  /metrics",
        f"Workers    {', '.join(WORKERS)}",
        f"Dashboard  {dashboard}",
        "Ctrl-C stops everything. For commands in another terminal (pantry keys create makes a key for the gateway):",
        f"export PANTRY_KAFKA_BOOTSTRAP='{found.kafka_bootstrap}' PANTRY_MONGO_URL='{database}'",
    )
    _out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


@app.command
def demo(*, leads: int = 1_000, seed: int = 1, json: bool = False) -> None:
    """Run everything, feed realistic leads through the whole funnel, reconcile, and end.

    Parameters
    ----------
    leads
        How many people the leads are of; duplicates, bad records and late scans come on top.
    seed
        The same seed makes the same leads.
    json
        Print the summary as JSON, for programs.

    """
    settings = Settings().model_copy(update={"log_level": "error", "http_port": 0})
    configure(settings)
    with servers(settings) as found:
        to = connections(settings, found)

        async def main() -> bool:
            # A database of its own: the summary reconciles what this run did.
            # Events that name nobody get their outcome while one watches.
            news = {"mongo_database": f"{settings.mongo_database}_demo", "orphan_ttl": _DEMO_ORPHAN_TTL_S}
            own = settings.model_copy(update=news)
            storage = Storage(to.mongo, own.mongo_database)
            await storage.drop()
            storage.close()
            await prepare(own, to)
            async with running(own, to):
                return await run_demo(own, to, leads=leads, seed=seed, console=_out, as_json=json)

        reconciled = asyncio.run(main())
    sys.exit(0 if reconciled else 1)


@app.command
def worker(*names: Annotated[str, Parameter(help=f"any of: {', '.join(WORKERS)}")]) -> None:
    """Run workers in this process, each in its consumer group; run as many processes as you like."""
    unknown = [name for name in names if name not in WORKERS]
    if unknown or not names:
        raise Misused(f"name workers out of: {', '.join(WORKERS)}")
    settings = Settings()
    configure(settings)
    to = connections(settings, named(settings))

    async def work() -> None:
        async with running(settings, to, names) as service:
            await service.stopped.wait()
        sys.exit(1)

    async def main() -> None:
        with stop_signals() as stop:
            await unless(stop, work())

    asyncio.run(main())


@app.command(name="gateway")
def run_gateway() -> None:
    """Run a gateway process: HTTP in front of the input topics; run as many as you like behind a load balancer."""
    settings = _with_secret(Settings())
    configure(settings)
    to = connections(settings, named(settings))

    async def work() -> None:
        async with running(settings, to, (), front=gateway.front) as service:
            # What there is by now lives as long as the process, and the collector's rounds over all of it made the
            # slowest answers slow: without them p99 at half load fell from a tenth of a second to a fiftieth.
            gc.collect()
            gc.freeze()
            await service.stopped.wait()

    async def main() -> None:
        with stop_signals() as stop:
            await unless(stop, work())

    asyncio.run(main())


def _with_secret(settings: Settings, *, made: bool = False) -> Settings:
    return settings.model_copy(update={"gateway_secret": SecretStr(gateway_secret_of(settings, made=made))})


@topics_app.command(name="apply")
def topics_apply() -> None:
    """Create the topics that are missing; change nothing else."""
    settings = Settings()
    made = asyncio.run(create_topics(broker_of(settings), TOPICS.values(), settings.topic_replication))
    _out.print(f"created {len(made)} of {len(TOPICS)} topics" + (f": {', '.join(made)}" if made else ""))


@indexes_app.command(name="apply")
def indexes_apply() -> None:
    """Create the indexes that are missing; change nothing else."""
    with_storage(create_indexes)
    _out.print("indexes are there")


@app.command(name="lag")
def show_lag() -> None:
    """Show how many records each worker has still to handle."""
    kafka = broker_of(Settings())
    table = Table("worker", "topic", "records behind")
    for name, names in TOPICS_OF.items():
        behind = asyncio.run(lag(kafka, f"pantry.{name}", names))
        for topic in names:
            table.add_row(name, topic, str(sum(count for part, count in behind.items() if part.topic == topic)))
    _out.print(table)


def main() -> None:
    """Be the process that runs the command, and tell nothing of what it failed on."""
    guard()
    run()


def run() -> None:
    """Run the command; a mistake of the user's is told in a sentence, exit status 2."""
    try:
        app()
    except (Misused, ServerFailed, ConfigError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        sys.exit(2)
    except KafkaError as error:
        told = f"the broker that PANTRY_KAFKA_BOOTSTRAP names refused, or is away: {error}"
        Console(stderr=True).print(told, style="red", markup=False, highlight=False)
        sys.exit(2)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            place = "".join(f"PANTRY_{part}: ".upper() for part in fault["loc"][:1])
            Console(stderr=True).print(f"{place}{fault['msg']}", style="red", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
