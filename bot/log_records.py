"""Makes log records harmless: ids, figures and our own words pass, payloads and secrets do not."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterable, Mapping
from logging.handlers import QueueHandler

from bot.log_redaction import Redaction, harmless_exception

OURS = ("bot", "data", "gui", "model", "scripts", "storage", "__main__")

FLOORS = {
    "discord": logging.INFO,
    "aiohttp": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    "sqlalchemy": logging.WARNING,
}
_PLAIN = (bool, int, float, type(None))
_WORDS = frozenset(
    "verdict reason outcome guard found_by model phase order channel_ids refused_because".split()
)
"""Extra fields that may hold a text; every other one holds numbers."""
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Door(QueueHandler):
    """Makes a record harmless in the thread that logs, and hands it over without waiting."""

    def __init__(self, waiting: queue.Queue[logging.LogRecord], redaction: Redaction) -> None:
        super().__init__(waiting)
        self.dropped = 0
        self._redaction = redaction
        self.addFilter(_may_pass)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        bare = logging.makeLogRecord({})
        bare.created, bare.name = record.created, record.name
        bare.levelno, bare.levelname = record.levelno, record.levelname
        bare.msg = self._redaction.clean(_message(record))
        fields = {name: _extra(name, value) for name, value in _extras(record)}
        bare.fields = self._redaction.clean_all(fields)
        error = record.exc_info[1] if record.exc_info else None
        bare.error = None if error is None else self._redaction.clean_all(harmless_exception(error))
        return bare

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Counted; the standard way would print the record's arguments to stderr."""
        self.dropped += 1


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


def _may_pass(record: logging.LogRecord) -> bool:
    if _is_ours(record.name):
        return True
    return record.levelno >= FLOORS.get(record.name.partition(".")[0], logging.WARNING)


def _message(record: logging.LogRecord) -> str:
    """The formatted message; of others' loggers the first line alone, and plain arguments."""
    if _is_ours(record.name):
        return record.getMessage()
    message, arguments = str(record.msg), record.args
    if isinstance(arguments, Mapping):  # a lone dict is not wrapped: it may be a payload
        arguments = (arguments,)
    if arguments:
        message = message % tuple(_plain(one) for one in arguments)
    return message.partition("\n")[0][:500]


def _plain(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    return value[:200] if isinstance(value, str) else f"<{type(value).__name__}>"


def _extras(record: logging.LogRecord) -> Iterable[tuple[str, object]]:
    return ((name, value) for name, value in vars(record).items() if name not in _KNOWN)


def _extra(name: str, value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, str) and name in _WORDS:
        return value[:200]
    return f"<{type(value).__name__}>"
