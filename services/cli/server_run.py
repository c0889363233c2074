"""The commands that run on real servers: `pantry worker` and `pantry gateway`."""

import asyncio
import gc
import sys
from typing import Annotated

import structlog
from cyclopts import Parameter
from pydantic import SecretStr

from services.cli.brokers import servers_of
from services.cli.common import erasure_pepper_of, gateway_secret_of
from services.cli.data_folder import check_port
from services.composition.process import connections, run_workers, stop_signals
from services.composition.workers import WORKERS
from shared.clock import run_until
from shared.errors import UsageError
from shared.observability.log_setup import configure
from shared.service import BuildFront
from shared.settings import Settings

# Without a pepper, hashes can be matched with guessed names. With another one, workers miss erasures.
_NO_PEPPER = (
    "set PANTRY_ERASURE_PEPPER to the same secret for every worker, and never change it: the identifiers of erased"
    " leads are hashed with it. `openssl rand -hex 32` makes one."
)


def worker(*names: Annotated[str, Parameter(help=f"One or more of {', '.join(WORKERS)}.")]) -> None:
    """Run one or more workers in this process. Start as many processes as you like."""
    unknown = [name for name in names if name not in WORKERS]
    if unknown or not names:
        problem = f"there is no worker {', '.join(unknown)}" if unknown else "no worker is named"
        raise UsageError(f"{problem}: name one or more of {', '.join(WORKERS)}")
    settings = with_pepper(Settings())
    peppered = bool(settings.erasure_pepper.get_secret_value())
    if "erasure" in names and not peppered:
        raise UsageError(_NO_PEPPER)
    check_ports(settings)
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


def run_gateway() -> None:
    """Run a gateway: the HTTP API, forms and the dashboard.

    Start several behind a load balancer.
    """
    settings = with_secret(Settings())
    check_ports(settings)
    configure(settings)
    to = connections(settings, servers_of(settings))

    async def work() -> None:
        async with run_workers(settings, to, (), front=gateway_front()) as service:
            # Everything loaded so far lives as long as the process. Collector passes over all of it
            # caused the slowest answers: without them p99 at half load fell from 0.1 s to 0.02 s.
            gc.collect()
            gc.freeze()
            await service.stopped.wait()

    async def main() -> None:
        with stop_signals() as stop:
            await run_until(stop, work())

    asyncio.run(main())


def check_ports(settings: Settings) -> None:
    """Raise `UsageError` if a port is taken, or both settings name the same."""
    check_port(settings.http_host, settings.http_port, "PANTRY_HTTP_PORT")
    if settings.ops_port is not None:
        if settings.ops_port == settings.http_port != 0 and settings.ops_host in {None, settings.http_host}:
            raise UsageError(f"PANTRY_OPS_PORT and PANTRY_HTTP_PORT are both {settings.ops_port}: change one of them")
        check_port(settings.ops_host or settings.http_host, settings.ops_port, "PANTRY_OPS_PORT")


def gateway_front() -> BuildFront:
    """Return what builds the gateway in a process."""
    from services.gateway.app import front  # noqa: PLC0415 - a third of all imports, and no worker needs it

    return front


def with_secret(settings: Settings, *, create: bool = False) -> Settings:
    """Return the settings with the gateway's secret. Raises `UsageError` without one."""
    from services.gateway.app import check_address  # noqa: PLC0415 - like `gateway_front`

    check_address(settings)
    return settings.model_copy(update={"gateway_secret": SecretStr(gateway_secret_of(settings, create=create))})


def with_pepper(settings: Settings, *, create: bool = False) -> Settings:
    """Return the settings with the erasure pepper; `create` creates one."""
    return settings.model_copy(update={"erasure_pepper": SecretStr(erasure_pepper_of(settings, create=create))})
