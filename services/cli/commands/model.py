"""`pantry model`: evaluate models on a table of leads, train, promote and roll back."""

import json as json_
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from services.cli.common import console
from services.cli.database import with_storage
from services.ingest.domain.tables.table import UnreadableTable, read_csv
from services.prediction import store
from services.prediction.domain.judging.evaluation import ModelEvaluation, TooFew, evaluate_models
from services.prediction.domain.judging.promotion import promote, roll_back
from services.prediction.domain.learning.lead_table import LeadTable as Leads
from services.prediction.domain.learning.lead_table import Unfit, read_lead_table
from services.prediction.training import FitFailed, train
from shared.clock import system_clock
from shared.domain.model_documents import PROGRESS, STANDING, TRAINING
from shared.domain.stored.prediction_documents import JobRow, ModelDocument, StandingRow, TrainingRow
from shared.errors import UsageError
from shared.mongo.storage import Storage
from shared.settings import Settings

model_app = cyclopts.App(name="model", help="Train, compare and promote the models that predict conversions.")
_out = console()
# The embedded database reads a whole collection before it returns its first document.
_TIMEOUT_MS = 60_000
_FIELDS = ("version", "at", "status", "method", "window", "converted", "metrics", "why", "served.examples")


@model_app.command(name="evaluate")
def model_evaluate(
    *,
    csv: Path,
    label: str,
    time: str | None = None,
    drop: Annotated[list[str] | None, Parameter(negative=())] = None,
    json: bool = False,
) -> None:
    """Evaluate the models on a table of leads.

    They are fitted on the earlier three quarters and tested on the rest.

    The table also shows the base rate, and a naive Bayes model like Odoo's. Use --drop for columns that are only known
    after the outcome.

    Parameters
    ----------
    csv
        The table: a header, then one lead per row.
    label
        The column that says whether the lead converted (1/0, yes/no, true/false, won/lost).
    time
        The column that says when the lead came in, such as 2026-03-02. By default rows are in order of time.
    drop
        A column to leave out. Can be repeated.
    json
        Print JSON, for programs.
    """
    table = _table(csv, label, time, drop or [])
    try:
        found = evaluate_models(table.sample)
    except TooFew as error:
        raise UsageError(f"{csv}: {error}") from None
    if json:
        _out.print_json(json_.dumps(found.document() | {"leftOut": dict(table.left_out)}))
    else:
        _show(found, table.left_out)


def _table(file: Path, label: str, time: str | None, drop: Sequence[str]) -> Leads:
    try:
        read = read_csv(file.read_bytes())
        broken = next((row for row in read.rows if row.fault or row.remark), None)
        if broken:
            raise UsageError(f"{file}: line {broken.line} {broken.fault or broken.remark}")
        blank = dict.fromkeys(read.headers, "")
        return read_lead_table([blank | read.cells(row) for row in read.rows], label, time, drop)
    except (OSError, UnreadableTable, Unfit) as error:
        raise UsageError(f"{file}: {error.strerror if isinstance(error, OSError) else error}") from None


def _show(found: ModelEvaluation, left_out: Mapping[str, str]) -> None:
    _say(
        f"trained on {len(found.learned.labels):,} leads ({found.learned.converted:,} converted), "
        f"tested on the {len(found.holdout.labels):,} later ones ({found.holdout.converted:,} converted)"
    )
    for column, why in left_out.items():
        _say(f"left out: {column} ({why})")
    table = Table("model", "AUC", "PR-AUC", "Brier", "log loss", "lift, top tenth", "calibration error")
    for name, one in found.by_model.items():
        numbers = (one.auc, one.pr_auc, one.brier, one.log_loss, one.lift, one.calibration_error)
        table.add_row(name + (" *" if name == found.best else ""), *("" if n is None else f"{n:.3f}" for n in numbers))
    _out.print(table)
    bins = Table("predicted up to", "leads", "predicted on average", "converted", title="Calibration of *")
    for bin_ in found.calibration:
        bins.add_row(f"{bin_.up_to:.1%}", f"{bin_.count:,}", f"{bin_.predicted:.1%}", f"{bin_.observed:.1%}")
    _out.print(bins)
    for column, auc in found.leaks.items():
        _say(
            f"too good to be true: {column} alone predicts the outcome (AUC {auc});"
            " --drop it if it is set after the outcome"
        )
    _say("would be promoted" if found.promoted else f"would not be promoted: {'; '.join(found.why)}")


@model_app.command(name="train")
def model_train() -> None:
    """Train a model now on all leads whose outcome is known, and promote it if it is better."""
    days = Settings().prediction_horizon_days
    try:
        row = with_storage(lambda storage: train(storage, days, system_clock()), timeout_ms=_TIMEOUT_MS)
    except FitFailed as error:
        raise UsageError(f"no model could be trained: {error}") from None
    _say(
        f"{row['examples']:,} leads after {days} days, {row['converted']:,} of them converted; "
        f"{row['censored']:,} leads with no outcome yet"
    )
    _say(f"model {row['version']}: {row['status']}" if row["version"] else "no model: the formula stays in use")
    for why in row["why"]:
        _say(f"  {why}")
    _print_drift(row)


@model_app.command(name="history")
def model_history(*, json: bool = False) -> None:
    """Show all models, which one is in use, the progress of its predictions, and drift.

    Parameters
    ----------
    json
        Print JSON, for programs.

    """
    standing, job, progress, models = with_storage(_history, timeout_ms=_TIMEOUT_MS)
    if json:
        shown = {"standing": standing, "training": job, "progress": progress, "models": models}
        _out.print_json(json_.dumps(shown, default=str))
        return
    table = Table("model", "trained", "", "method", "leads", "converted", "AUC", "log loss", "calibration error")
    for one in models:
        table.add_row(*_cells(one, standing))
    _out.print(table)
    _say(f"{_called(standing)} is in use")
    if progress:
        _say(f"open leads predicted by model {progress['model']}: {progress['done']:,} of {progress['total']:,}")
    _print_drift(job)


def _cells(model: ModelDocument, standing: StandingRow) -> list[str]:
    judged = model["metrics"][model["method"]]
    numbers = [f"{one:.3f}" for one in (judged["auc"], judged["log_loss"], judged["calibration_error"])]
    leads, converted = f"{model['served']['examples']:,}", f"{model['converted']:,}"
    trained = f"{model['at']:%Y-%m-%d %H:%M}"
    return [str(model["version"]), trained, _stands(model, standing), model["method"], leads, converted, *numbers]


def _called(standing: StandingRow) -> str:
    return f"model {standing['champion']}" if standing.get("champion") else "the formula"


async def _history(storage: Storage) -> tuple[JobRow, JobRow, JobRow, list[ModelDocument]]:
    names = (STANDING, TRAINING, PROGRESS)
    standing, job, progress = [await store.read_row(storage, name) for name in names]
    return standing, job, progress, await store.list_models(storage, fields=_FIELDS)


def _stands(model: ModelDocument, standing: StandingRow) -> str:
    if model["version"] == standing.get("champion"):
        return "in use"
    if model["version"] == standing.get("shadow"):
        return "shadow"
    if model["version"] in standing.get("previous", ()):
        return "in use before"
    # Rolled back, replaced by another shadow, or left by a process that died before it could publish.
    return "refused" if model["status"] == "refused" else "passed, not in use"


@model_app.command(name="promote")
def model_promote(version: int) -> None:
    """Use a model from now on, even if it failed its tests.

    Open leads follow in the background.

    Parameters
    ----------
    version
        The model's number, as `pantry model history` shows it.
    """

    async def work(storage: Storage) -> None:
        if await store.find_model(storage, version) is None:
            raise UsageError(f"there is no model {version}: `pantry model history` lists all models")
        await store.change_models(storage, lambda standing: promote(standing, version))

    with_storage(work)
    _say(f"model {version} is in use from now on")


@model_app.command(name="rollback")
def model_rollback() -> None:
    """Use the previous model again, or the formula if there was none.

    Open leads follow in the background.
    """
    try:
        standing = with_storage(lambda storage: store.change_models(storage, roll_back))
    except LookupError as error:
        raise UsageError(str(error)) from None
    _say(f"{_called(standing)} is in use from now on")


def _print_drift(job: TrainingRow) -> None:
    for one in job.get("drift") or ():
        _say(f"drift: {one['what']}, {one['measure']} {one['value']} (limit {one['limit']})")


def _say(text: str) -> None:
    _out.print(escape(text), highlight=False, soft_wrap=True)
