"""Configuration of logs, as JSON or text; log lines of libraries have the same format.

Values come from the cluster and from Prometheus: JSON escapes them, and text is made printable.
"""

import logging
import sys
from io import StringIO
from typing import TextIO

import structlog

from app.printable import printable
from app.settings.types import LogFormat


def configure_logs(level: str, log_format: LogFormat) -> None:
    """Configure all loggers to write to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    json = log_format is LogFormat.JSON
    rendering: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        else [
            _printable_values,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=_write_printable_traceback
            ),
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("app").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _printable_values(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The event with each text in one line; other values are written by `repr`, which escapes."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _write_printable_traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Write a traceback, whose messages may have any text; line breaks stay."""
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write("\n".join(map(printable, text.getvalue().split("\n"))))
