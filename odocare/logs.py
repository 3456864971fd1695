"""Logs of long-running commands: one JSON object per line on stderr, so that stdout stays the answer."""

import logging
import sys

import structlog


def configure(level: int = logging.INFO) -> None:
    """Once, at the start of a command that runs for long."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
