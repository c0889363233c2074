"""Logging by structlog: JSON for machines, readable on a terminal.

Facts are keys. Personal data is never among them: ids of events and leads, counts, reasons, and paths of fields.
"""

import logging
import sys

import structlog

from shared.settings import Settings


def configure(settings: Settings) -> None:
    """Set logging up for this process; log lines go to standard error, so that standard output stays the command's."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if console else [structlog.processors.dict_tracebacks]),
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # aiokafka and FastStream log through the standard library; their warnings matter, their chatter does not.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(levelname)s %(name)s %(message)s", force=True)
