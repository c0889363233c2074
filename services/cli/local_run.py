"""The commands that run everything on this machine: `pantry up` and `pantry demo`."""

import asyncio
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from deploy.local import Servers, private_folder
from services.cli.brokers import check_broker_answers, servers_of
from services.cli.common import console, gateway_secret_of, without_login
from services.cli.data_folder import keep_env_file, lock_data_folder, runs_beside, secrets_of, settings_beside
from services.cli.server_run import check_ports, gateway_front, with_pepper, with_secret
from services.composition.process import connections, prepare, run_workers, servers, stop_signals
from services.composition.workers import WORKERS
from shared.clock import run_until
from shared.env_file import assignments
from shared.mongo.storage import Storage
from shared.observability.log_setup import configure
from shared.service import ServerConnections
from shared.settings import Settings

_out = console()
# Events of unknown leads, and commands that a status forbids, have their outcome while the demo runs.
_DEMO_WAITS_S = {"orphan_ttl": 10.0, "command_patience": 0.5}
_TRYING_OUT = (
    "Embedded servers are for trying out: Kafka's records are lost when this process ends. See `pantry doctor`."
)


def up(*, demo: bool = False) -> None:
    """Run everything on this machine until Ctrl-C.

    That is the servers, the topics, all workers and the gateway. The command starts an embedded broker and database
    unless the settings name real ones.

    Parameters
    ----------
    demo
        Send 50 sample leads through the funnel, then load a year of history with 2,000 leads in the background, and
        keep running.
    """
    from services.cli.commands.users import dashboard_link  # noqa: PLC0415 - like `gateway_front`
    from services.cli.demo_year import load_demo_year  # noqa: PLC0415

    given = Settings()
    check_ports(given)
    settings = with_pepper(with_secret(given, create=True), create=True)
    configure(settings)
    _warn_if_readable(settings)
    with lock_data_folder(settings.data_dir), servers(settings) as found:
        to = connections(settings, found)

        async def main() -> None:
            await check_broker_answers(to.kafka)
            await prepare(settings, to)
            with stop_signals() as stop:
                async with run_workers(settings, to, front=gateway_front()) as service:
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
                            await run_until(stop, _feed(settings, to, leads=50, seed=seed))
                            await run_until(stop, load_demo_year(settings, to, _say))
                        await stop.wait()

        asyncio.run(main())


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
    settings = with_pepper(
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
    running = servers(settings, temporary=True)
    with nullcontext() if both_named else lock_data_folder(settings.data_dir), running as found:
        to = connections(settings, found)

        async def main() -> bool:
            # The run gets its own database, since the summary reconciles this run only.
            own = settings.model_copy(update={"mongo_database": f"{settings.mongo_database}_demo", **_DEMO_WAITS_S})
            await check_broker_answers(to.kafka)
            storage = Storage(to.mongo, own.mongo_database)
            await storage.drop()
            await storage.close()
            await prepare(own, to)
            async with run_workers(own, to):
                seed_ = 1 if seed is None else seed
                return await _feed(own, to, leads=leads, seed=seed_, as_json=json)

        reconciled = asyncio.run(main())
    sys.exit(0 if reconciled else 1)


async def _feed(settings: Settings, to: ServerConnections, *, leads: int, seed: int, as_json: bool = False) -> bool:
    from services.demo.command import run_demo  # noqa: PLC0415 - like `gateway_front`

    return await run_demo(settings, to, leads=leads, seed=seed, console=_out, as_json=as_json)


def _warn_if_readable(settings: Settings) -> None:
    if settings.data_dir.exists() and not private_folder(settings.data_dir):
        warning = (
            f"other users of this machine can read {settings.data_dir}, which has secrets and leads:"
            " set PANTRY_DATA_DIR to a private folder"
        )
        console(stderr=True).print(warning, style="yellow", markup=False, highlight=False)
