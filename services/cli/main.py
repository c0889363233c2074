"""The command `pantry`."""

import asyncio
import gc
import importlib.metadata
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import cyclopts
import structlog
from cyclopts import Parameter
from pydantic import SecretStr
from rich.table import Table

from deploy.local import Servers, private_folder
from schemas.topics import TOPICS
from services.cli.common import (
    answering_broker,
    check_broker_answers,
    console,
    erasure_pepper_of,
    gateway_secret_of,
    servers_of,
    without_login,
)
from services.cli.data_folder import (
    check_port,
    keep_env_file,
    lock_data_folder,
    runs_beside,
    secrets_of,
    settings_beside,
)
from services.cli.startup import load_settings, print_errors
from services.composition.process import connections, prepare, run_workers, servers, stop_signals
from services.composition.workers import TOPICS_OF, WORKERS
from shared.clock import run_until
from shared.env_file import assignments
from shared.errors import UsageError
from shared.kafka.admin import create_topics
from shared.kafka.reading import lag
from shared.mongo.storage import Storage
from shared.observability.log_setup import configure, guard
from shared.service import BuildFront, ServerConnections
from shared.settings import Settings

app = cyclopts.App(
    name="pantry",
    help="Kitchen Pantry CRM: capture, score, nurture and convert leads.",
    version=lambda: importlib.metadata.version("kitchen-pantry-leads"),
)
topics_app = cyclopts.App(name="topics", help="Create the Kafka topics.")
app.command(topics_app)
_IMPORT = """Import leads from a CSV file or a workbook (XLSX, XLS, ODS). Importing a file twice changes nothing.

A row needs a name, and an e-mail address or a phone number. Other values that can't be read are kept as text.
Rejected rows go to a CSV file with the reason in the first column. Fix them there, then run the command that is shown.
"""
_DOCTOR = "Check that the servers' settings keep the product's promises. The exit status is 1 if one is weak."
_REPORT = """\
Write a report of the last 7, 30 or 90 days, compared with the days before, to one file.

The figures are those of the dashboard and of /v1/analytics. The file loads nothing from the network: mail it, keep
it, open it anywhere.
"""
# Each module is imported when its command runs: importing all takes longer than most commands.
for _place, _name, _help in (
    ("permissions:access_app", "access", "Show and grant the rights of each process at Kafka and MongoDB."),
    ("dead_letters:deadletter_app", "deadletter", "List, show and replay dead letters."),
    ("preflight:check_promises", "doctor", _DOCTOR),
    ("imports:import_file", "import", _IMPORT),
    ("indexes:indexes_app", "indexes", "Create the MongoDB indexes."),
    ("insights:insights_app", "insights", "Rebuild or verify the figures behind the dashboard and analytics."),
    ("keys:keys_app", "keys", "Create, list, rotate and revoke API keys."),
    ("leads:leads_app", "leads", "Check and repair the stored leads."),
    ("model:model_app", "model", "Train, compare and promote the models that predict conversions."),
    ("nurture:nurture_app", "nurture", "Show what nurture did with a lead."),
    ("users:people_app", "people", "Manage the users who can sign in."),
    ("report:write_report", "report", _REPORT),
    ("rules:rules_app", "rules", "Check rules, simulate new scoring rules, and show the progress of rescoring."),
):
    app.command(
        f"services.cli.commands.{_place}", name=_name, help=_help, alias="promises" if _name == "doctor" else None
    )
_out = console()
_DEMO_ORPHAN_TTL_S = 10.0
_TRYING_OUT = (
    "Embedded servers are for trying out: Kafka's records are lost when this process ends. See `pantry doctor`."
)
# Without a pepper, hashes can be matched with guessed names. With another one, workers miss erasures.
_NO_PEPPER = (
    "set PANTRY_ERASURE_PEPPER to the same secret for every worker, and never change it: the identifiers of erased"
    " leads are hashed with it. `openssl rand -hex 32` makes one."
)


@app.meta.default
def launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], env_file: Path | None = None
) -> None:
    """Run a command.

    Parameters
    ----------
    words
        The command.
    env_file
        A file with one setting per line, NAME=value, such as `pantry up` writes. The environment takes precedence.

    """
    load_settings(env_file)
    app(words)


@app.command
def up(*, demo: bool = False) -> None:
    """Run everything on this machine until Ctrl-C.

    That is the servers, the topics, all workers and the gateway. The command starts an embedded broker and database
    unless the settings name real ones.

    Parameters
    ----------
    demo
        Send 200 sample leads through the funnel, then keep running.
    """
    from services.cli.commands.users import dashboard_link  # noqa: PLC0415 - like `_front`

    given = Settings()
    _check_ports(given)
    settings = _with_pepper(_with_secret(given, create=True), create=True)
    configure(settings)
    _warn_if_readable(settings)
    with lock_data_folder(settings.data_dir), servers(settings) as found:
        to = connections(settings, found)

        async def main() -> None:
            await check_broker_answers(to.kafka)
            await prepare(settings, to)
            with stop_signals() as stop:
                async with run_workers(settings, to, front=_front()) as service:
                    url = service.http or ""
                    beside = settings_beside(given, found, url)
                    with keep_env_file(settings.data_dir, beside) as file:
                        # Others may read a log file.
                        signer = gateway_secret_of(settings) if sys.stdout.isatty() else None
                        inside = await dashboard_link(service.storage, signer, settings.public_url or url)
                        _print_servers(found, url, service.ops or "", inside, embedded=to.embedded)
                        _print_next_steps(file, beside, secrets_of(given))
                        if demo:
                            seed = secrets.randbelow(10**6)
                            await run_until(stop, _feed(settings, to, leads=200, seed=seed))
                        await stop.wait()

        asyncio.run(main())


def _check_ports(settings: Settings) -> None:
    check_port(settings.http_host, settings.http_port, "PANTRY_HTTP_PORT")
    if settings.ops_port is not None:
        if settings.ops_port == settings.http_port != 0 and settings.ops_host in {None, settings.http_host}:
            raise UsageError(f"PANTRY_OPS_PORT and PANTRY_HTTP_PORT are both {settings.ops_port}: change one of them")
        check_port(settings.ops_host or settings.http_host, settings.ops_port, "PANTRY_OPS_PORT")


def _print_servers(found: Servers, url: str, ops: str, dashboard: str, *, embedded: bool) -> None:
    lines = (
        f"Kafka      {found.kafka_bootstrap}  ({found.broker})",
        f"MongoDB    {without_login(found.mongo_url)}  ({found.database})",
        f"Gateway    {url}/docs",
        f"Health     {ops}/healthz  /readyz  /metrics",
        f"Workers    {', '.join(WORKERS)}",
        f"Dashboard  {dashboard}",
        *([_TRYING_OUT] if embedded else []),
    )
    _say("\n".join(lines))


def _print_next_steps(file: Path, beside: Mapping[str, str], secret: Sequence[str]) -> None:
    _say(f"Ctrl-C stops everything. In another terminal, first run `. {file}`, or paste this line:")
    _say(f"export {' '.join(assignments(beside))}")
    if secret:
        _say(f"It contains no secrets. If a command needs them, set them too: {', '.join(secret)}")


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command
def demo(*, leads: int = 1_000, seed: int | None = None, json: bool = False) -> None:
    """Run everything, send realistic leads through the whole funnel, and reconcile.

    If the settings name the servers of a running `pantry up`, the leads go to that one.

    Parameters
    ----------
    leads
        How many different people to create. Duplicates, bad records and late scans come on top.
    seed
        The same seed makes the same leads. The default is 1, or a random number if `pantry up` is running.
    json
        Print the summary as JSON, for programs.
    """
    settings = _with_pepper(
        Settings().model_copy(update={"log_level": "error", "http_port": 0, "ops_port": None}), create=True
    )
    configure(settings)
    _warn_if_readable(settings)
    if runs_beside(settings):
        to, chance = connections(settings, servers_of(settings)), secrets.randbelow(10**6)
        if not json:
            _say(f"Sending leads to the running `pantry up` (data in {settings.data_dir})")
        seed = chance if seed is None else seed
        feeding = _feed(settings, to, leads=leads, seed=seed, as_json=json)
        sys.exit(0 if asyncio.run(feeding) else 1)
    both_named = settings.kafka_bootstrap and settings.mongo_url
    with nullcontext() if both_named else lock_data_folder(settings.data_dir), servers(settings) as found:
        to = connections(settings, found)

        async def main() -> bool:
            # The run gets its own database, since the summary reconciles this run only.
            # Events of unknown leads have their outcome while the demo runs.
            news = {"mongo_database": f"{settings.mongo_database}_demo", "orphan_ttl": _DEMO_ORPHAN_TTL_S}
            own = settings.model_copy(update=news)
            await check_broker_answers(to.kafka)
            storage = Storage(to.mongo, own.mongo_database)
            await storage.drop()
            storage.close()
            await prepare(own, to)
            async with run_workers(own, to):
                seed_ = 1 if seed is None else seed
                return await _feed(own, to, leads=leads, seed=seed_, as_json=json)

        reconciled = asyncio.run(main())
    sys.exit(0 if reconciled else 1)


async def _feed(settings: Settings, to: ServerConnections, *, leads: int, seed: int, as_json: bool = False) -> bool:
    from services.demo.command import run_demo  # noqa: PLC0415 - like `_front`

    return await run_demo(settings, to, leads=leads, seed=seed, console=_out, as_json=as_json)


@app.command
def worker(*names: Annotated[str, Parameter(help=f"One or more of {', '.join(WORKERS)}.")]) -> None:
    """Run one or more workers in this process. Start as many processes as you like."""
    unknown = [name for name in names if name not in WORKERS]
    if unknown or not names:
        problem = f"there is no worker {', '.join(unknown)}" if unknown else "no worker is named"
        raise UsageError(f"{problem}: name one or more of {', '.join(WORKERS)}")
    settings = _with_pepper(Settings())
    peppered = bool(settings.erasure_pepper.get_secret_value())
    if "erasure" in names and not peppered:
        raise UsageError(_NO_PEPPER)
    _check_ports(settings)
    configure(settings)
    if not peppered:
        structlog.get_logger().warning("erasure.pepper_missing", then=_NO_PEPPER)
    to = connections(settings, servers_of(settings))

    async def work() -> None:
        async with run_workers(settings, to, names) as service:
            await service.stopped.wait()
        sys.exit(1)

    async def main() -> None:
        with stop_signals() as stop:
            await run_until(stop, work())

    asyncio.run(main())


@app.command(name="gateway")
def run_gateway() -> None:
    """Run a gateway: the HTTP API, forms and the dashboard.

    Start several behind a load balancer.
    """
    settings = _with_secret(Settings())
    _check_ports(settings)
    configure(settings)
    to = connections(settings, servers_of(settings))

    async def work() -> None:
        async with run_workers(settings, to, (), front=_front()) as service:
            # Everything loaded so far lives as long as the process. Collector passes over all of it
            # caused the slowest answers: without them p99 at half load fell from 0.1 s to 0.02 s.
            gc.collect()
            gc.freeze()
            await service.stopped.wait()

    async def main() -> None:
        with stop_signals() as stop:
            await run_until(stop, work())

    asyncio.run(main())


def _front() -> BuildFront:
    from services.gateway.app import front  # noqa: PLC0415 - a third of all imports, and no worker needs it

    return front


def _with_secret(settings: Settings, *, create: bool = False) -> Settings:
    from services.gateway.app import check_address  # noqa: PLC0415 - like `_front`

    check_address(settings)
    return settings.model_copy(update={"gateway_secret": SecretStr(gateway_secret_of(settings, create=create))})


def _with_pepper(settings: Settings, *, create: bool = False) -> Settings:
    return settings.model_copy(update={"erasure_pepper": SecretStr(erasure_pepper_of(settings, create=create))})


def _warn_if_readable(settings: Settings) -> None:
    if settings.data_dir.exists() and not private_folder(settings.data_dir):
        warning = (
            f"other users of this machine can read {settings.data_dir}, which has secrets and leads:"
            " set PANTRY_DATA_DIR to a private folder"
        )
        console(stderr=True).print(warning, style="yellow", markup=False, highlight=False)


@topics_app.command(name="apply")
def topics_apply() -> None:
    """Create the missing topics, and change nothing else."""
    settings = Settings()
    made = asyncio.run(create_topics(answering_broker(settings), TOPICS.values(), settings.topic_replication))
    _out.print(f"created {len(made)} of {len(TOPICS)} topics" + (f": {', '.join(made)}" if made else ""))


@app.command(name="lag")
def show_lag() -> None:
    """Show how many records each worker still has to handle."""
    kafka = answering_broker(Settings())
    table = Table("worker", "topic", "records behind")
    for name, names in TOPICS_OF.items():
        behind = asyncio.run(lag(kafka, f"pantry.{name}", names))
        for topic in names:
            table.add_row(name, topic, str(sum(count for part, count in behind.items() if part.topic == topic)))
    _out.print(table)


def main() -> None:
    """Run the command in this process, and print no traceback of a failure."""
    guard()
    run_command()


def run_command() -> None:
    """Run the command. On a user's mistake, print a sentence and exit with status 2."""
    with print_errors():
        app.meta(sys.argv[1:])
