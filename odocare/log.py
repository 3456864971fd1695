"""Logs: one JSON object a line, on stderr, so that stdout stays the command's answer."""

import logging
import sys

import structlog


def to_stderr(level: int = logging.INFO) -> None:
    """Set structlog up for a service; called once by the command that runs it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
