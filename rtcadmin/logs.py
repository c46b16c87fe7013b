"""Log lines: one line each, control characters escaped, provisioning tokens blanked."""

from __future__ import annotations

import logging
import re

import structlog

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_TOKEN = re.compile(r"(/p/)[A-Za-z0-9_-]{16,}")


class Formatter(structlog.stdlib.ProcessorFormatter):
    """`time level logger message key=value …`; a line never breaks and never shows a token."""

    def __init__(self) -> None:
        shared: list[structlog.typing.Processor] = [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        super().__init__(
            processor=structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "logger", "event"], drop_missing=True
            ),
            foreign_pre_chain=shared,
        )

    def format(self, record: logging.LogRecord) -> str:
        """The record as one safe line (a traceback keeps its own lines)."""
        line = super().format(record)
        return _TOKEN.sub(r"\1…", _CONTROL.sub(lambda found: repr(found[0])[1:-1], line))
