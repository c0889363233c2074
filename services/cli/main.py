"""The command `pantry`."""

import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from services.cli.startup import load_settings, print_errors
from shared.observability.log_setup import guard

app = cyclopts.App(
    name="pantry",
    help="Kitchen Pantry CRM: capture, score, nurture and convert leads.",
    version=lambda: importlib.metadata.version("kitchen-pantry-leads"),
)
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
_UP = """Run everything on this machine until Ctrl-C.

That is the servers, the topics, all workers and the gateway. The command starts an embedded broker and database
unless the settings name real ones.
"""
_DEMO = """Run everything, send realistic leads through the whole funnel, and reconcile.

If the settings name the servers of a running `pantry up`, the leads go to that one.
"""
# Each module is imported when its command runs: importing all takes longer than most commands.
for _place, _name, _help in (
    ("commands.permissions:access_app", "access", "Show and grant the rights of each process at Kafka and MongoDB."),
    ("commands.dead_letters:deadletter_app", "deadletter", "List, show and replay dead letters."),
    ("local_run:demo", "demo", _DEMO),
    ("commands.preflight:check_promises", "doctor", _DOCTOR),
    ("server_run:run_gateway", "gateway", "Run a gateway: the HTTP API, forms and the dashboard."),
    ("commands.imports:import_file", "import", _IMPORT),
    ("commands.indexes:indexes_app", "indexes", "Create the MongoDB indexes."),
    ("commands.insights:insights_app", "insights", "Rebuild or verify the figures behind the dashboard and analytics."),
    ("commands.keys:keys_app", "keys", "Create, list, rotate and revoke API keys."),
    ("commands.kafka_topics:show_lag", "lag", "Show how many records each worker still has to handle."),
    ("commands.leads:leads_app", "leads", "Check and repair the stored leads."),
    ("commands.model:model_app", "model", "Train, compare and promote the models that predict conversions."),
    ("commands.nurture:nurture_app", "nurture", "Show what nurture did with a lead."),
    ("commands.users:people_app", "people", "Manage the users who can sign in."),
    ("commands.report:write_report", "report", _REPORT),
    (
        "commands.rules:rules_app",
        "rules",
        "Check rules, simulate scoring rules, and show the progress of rescoring.",
    ),
    ("commands.kafka_topics:topics_app", "topics", "Create the Kafka topics."),
    ("local_run:up", "up", _UP),
    ("server_run:worker", "worker", "Run one or more workers in this process. Start as many processes as you like."),
):
    app.command(f"services.cli.{_place}", name=_name, help=_help, alias="promises" if _name == "doctor" else None)


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


def main() -> None:
    """Run the command in this process, and print no traceback of a failure."""
    guard()
    run_command()


def run_command() -> None:
    """Run the command. On a user's mistake, print a sentence and exit with status 2."""
    with print_errors():
        app.meta(sys.argv[1:])
