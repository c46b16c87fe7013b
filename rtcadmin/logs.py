"""Log lines: one line each, control characters escaped, provisioning tokens blanked."""

from __future__ import annotations

import logging
import re

import structlog

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_TOKEN = re.compile(r"(/p/)[A-Za-z0-9_-]{16,}")
_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_RENDER = structlog.processors.KeyValueRenderer(
    key_order=["timestamp", "level", "logger", "event"], drop_missing=True
)


class Formatter(structlog.stdlib.ProcessorFormatter):
    """`time level logger message key=value …`; a line never breaks and never shows a token."""

    def __init__(self) -> None:
        super().__init__(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _line,
            ],
            foreign_pre_chain=_SHARED,
        )

    def format(self, record: logging.LogRecord) -> str:
        """The record as one safe line (a traceback keeps its own lines)."""
        line = super().format(record)
        return _TOKEN.sub(r"\1…", _CONTROL.sub(lambda found: repr(found[0])[1:-1], line))


def configure() -> None:
    """Send the console's own events where everybody else's go: through Python's logging."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _line(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> str:
    traceback = event.pop("exception", "")
    line = _RENDER(logger, name, event)
    return f"{line}\n{traceback}" if traceback else str(line)
