"""Logging by structlog to standard error: JSON for machines, plain text on a terminal.

Facts are keys: ids of events and leads, counts, reasons, paths of fields; never personal data. A log line never has the
text of an error (of a crash, a thread, a library, a warning): it may quote a lead or a password. It has the error's
class and place instead.
"""

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path

import structlog
from structlog.typing import EventDict

from shared.observability.error_places import where
from shared.settings import Settings

_log = structlog.get_logger()


def configure(settings: Settings) -> None:
    """Set up logging for this process by its settings."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    _set_up(settings.log_level, console=console)


def guard() -> None:
    """Keep the texts of errors out of all output. A process calls this first."""
    _set_up("warning", console=sys.stderr.isatty())
    sys.excepthook = lambda _, error, __: _crashed(error)
    sys.unraisablehook = lambda info: _failed(info.exc_value)
    threading.excepthook = lambda info: _failed(info.exc_value, thread=True)
    warnings.showwarning = _warned


def _set_up(level: str, *, console: bool) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_texts,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # aiokafka and FastStream log through the standard library; only their errors are shown.
    logging.basicConfig(level=logging.ERROR, handlers=[_Libraries()], force=True)


class _Libraries(logging.Handler):
    """Logs what libraries log as `library.log`."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        # The message of a logged error often has the error's text too.
        facts = {"error": _describe(error)} if error else {"message": _message(record)}
        _log.log(record.levelno, "library.log", library=record.name, **facts)


def _message(record: logging.LogRecord) -> str:
    args = record.args if isinstance(record.args, tuple) else (record.args,)
    if any(isinstance(one, BaseException) for one in args):
        record.args = tuple(type(one).__name__ if isinstance(one, BaseException) else one for one in args)
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # wrong arguments; `logging` would print them all
        return str(record.msg)


def _without_texts(_: object, __: str, event: EventDict) -> EventDict:
    """Replace the error of a log line by its class and place."""
    info = event.pop("exc_info", None)
    error = sys.exception() if info is True else info[1] if isinstance(info, tuple) else info
    return {**event, "error": _describe(error)} if isinstance(error, BaseException) else event


def _crashed(error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    stack = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    _log.critical("process.crashed", error=_describe(error), stack=stack)


def _failed(error: BaseException | None, *, thread: bool = False) -> None:
    if error is not None and not isinstance(error, SystemExit):
        _log.error("thread.failed" if thread else "unraisable.failed", error=_describe(error))


def _describe(error: BaseException) -> str:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{where(error)}, after {_describe(cause)}" if cause else where(error)


def _warned(  # noqa: PLR0913 - the interface of `warnings`
    message: Warning | str,  # noqa: ARG001 - it may quote what it warns of
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    _log.warning("library.warned", category=category.__name__, place=f"{Path(filename).name}:{lineno}")
