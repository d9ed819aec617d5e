"""The log of the bot's process: JSON lines that hold ids and numbers, never words nor the token.

    {"ts": "2026-05-01T20:15:03.123Z", "level": "INFO", "logger": "bot.pipeline", "message": ...}

A record is made harmless in the thread that logs it, put into a queue and written by a thread of
its own: logging never waits for the disk, and never raises. Exceptions are type and frames, without
what they say (a driver's error quotes the row). Other people's loggers are held to INFO (Discord's)
or WARNING, to one line, and to plain arguments: no payload gets through.
"""

from __future__ import annotations

import atexit
import json
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timezone
from logging.handlers import QueueListener
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from bot.log_file import DailyFile
from bot.log_records import FLOORS, Door
from bot.log_redaction import Redaction, harmless_exception, in_words
from bot.messages import Reply, Trace

QUEUE_RECORDS = 20_000
"""More than these wait to be written: the newest are dropped, and counted."""
Line = dict[str, Any]

_replies = logging.getLogger("bot.replies")


class Logs:
    """The open log of a process. Any thread; close it last."""

    def __init__(
        self, file: DailyFile, redaction: Redaction, level: str, console: TextIO | None
    ) -> None:
        self.tell: Callable[[Line], None] | None = None
        """Called with each line, in the log's own thread; must not block. For the window."""
        self._redaction = redaction
        waiting: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_RECORDS)
        self._door = Door(waiting, redaction)
        self._listener = QueueListener(waiting, _Writer(self, file, console, self._door))
        self._waiting = waiting
        self._file = file
        self._is_closed = False
        self._before = {name: logging.getLogger(name).level for name in ("", *FLOORS)}
        self._replaced = _plain_handlers()
        self.set_level(level)
        self._listener.start()
        for handler in self._replaced:  # they would write what is held back here
            logging.getLogger().removeHandler(handler)
        logging.getLogger().addHandler(self._door)
        atexit.register(self.close)

    def set_level(self, level: str) -> None:
        """DEBUG, INFO, WARNING or ERROR from now on; never less for others' loggers than ours."""
        number = logging.getLevelName(level)
        logging.getLogger().setLevel(number)
        for name, floor in FLOORS.items():
            logging.getLogger(name).setLevel(max(number, floor))

    def keep_secret(self, secret: str) -> None:
        """No line holds this text from now on, such as the control channel's key."""
        self._redaction.add(secret)

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until what was logged so far is in the file; whether it is."""
        until = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.002)
        return not self._waiting.unfinished_tasks

    def catch_crashes(self) -> None:
        """From now on an uncaught exception is one line here and frames on stderr, no values."""
        sys.excepthook = self._crashed
        threading.excepthook = lambda args: self._crashed(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )
        sys.unraisablehook = lambda args: self._crashed(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )

    def _crashed(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        error = error.with_traceback(trace)
        logging.getLogger("bot").critical("uncaught exception", exc_info=(kind, error, trace))
        if sys.stderr is not None:  # pythonw has none
            said = self._redaction.clean(in_words(harmless_exception(error)))
            print(said, file=sys.stderr, flush=True)
        self.flush()

    def close(self) -> None:
        """Write what waits, then let go of the file. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        logging.getLogger().removeHandler(self._door)
        self.flush()
        with suppress(queue.Full):  # the disk hangs: what waits is lost with its thread
            self._listener.stop()
            self._file.close()
        for handler in self._replaced:
            logging.getLogger().addHandler(handler)
        for name, level in self._before.items():
            logging.getLogger(name).setLevel(level)
        atexit.unregister(self.close)


def open_logs(
    folder: Path,
    level: str = "INFO",
    secrets: Iterable[str] = (),
    *,
    console: TextIO | None = None,
    now_s: Callable[[], float] = time.time,
) -> Logs:
    """Log into `folder`/bot.jsonl from now on, and readably to `console` where one is given.

    A new file each day (UTC), 30 old ones are kept. Where the file cannot be written, lines are
    lost and counted; nothing is raised.
    """
    return Logs(DailyFile(folder, "bot", now_s), Redaction(secrets), level, console)


def log_trace(trace: Trace) -> None:
    """One line for a reply (INFO) or a silence (DEBUG): ids, reason, recall, tokens, timings."""
    level = logging.INFO if isinstance(trace.verdict, Reply) else logging.DEBUG
    if not _replies.isEnabledFor(level):
        return
    verdict = "reply" if isinstance(trace.verdict, Reply) else "silent"
    fields: dict[str, object] = {
        "message_id": trace.message_id,
        "channel_id": trace.channel_id,
        "verdict": verdict,
        "reason": trace.verdict.reason.name.lower(),
        "recalled": len(trace.notes),
        "found_by": ",".join(trace.found_by),
        "prompt_tokens": trace.prompt_tokens,
        "evaluated_tokens": trace.evaluated_tokens,
        "reply_tokens": trace.reply_tokens,
        "attempts": trace.attempts,
        "failed": bool(trace.error),
        "guard": type(trace.guard).__name__.lower() if trace.guard else None,
        "reply_id": trace.sent.message_id if trace.sent else None,
        "model": trace.model_sha256[:12],
        "total_s": round(trace.total_s, 4),
    }
    fields.update({f"{name}_s": round(seconds, 4) for name, seconds in trace.timings_s})
    _replies.log(level, "%s: %s", verdict, trace.verdict.reason.name.lower(), extra=fields)


class _Writer(logging.Handler):
    """Writes the lines, in the log's own thread."""

    def __init__(self, logs: Logs, file: DailyFile, console: TextIO | None, door: Door) -> None:
        super().__init__()
        self._logs, self._file, self._console, self._door = logs, file, console, door

    def emit(self, record: logging.LogRecord) -> None:
        try:
            dropped = self._door.dropped + self._file.lost
            if dropped:
                self._door.dropped = self._file.lost = 0
                message = f"{dropped} lines were dropped: more came than could be written"
                self._put(_line(record.created, "WARNING", __name__, message))
            line = _line(record.created, record.levelname, record.name, record.msg)
            line.update(record.fields)  # type: ignore[attr-defined]
            if record.error:  # type: ignore[attr-defined]
                line["exception"] = record.error  # type: ignore[attr-defined]
            self._put(line)
        except Exception:  # the log must never be what fails
            self._door.dropped += 1

    def _put(self, line: Line) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        with suppress(Exception):  # a window that went, a terminal that was closed
            if self._logs.tell is not None:
                self._logs.tell(line)
        with suppress(Exception):
            if self._console is not None:
                print(_for_people(line), file=self._console, flush=True)


def _for_people(line: Line) -> str:
    said = f"{line['ts'][11:19]} {line['level']:<7} {line['message']}"
    return f"{said}\n{in_words(line['exception'])}" if "exception" in line else said


def _plain_handlers() -> list[logging.Handler]:
    """The root's handlers to the terminal, as logging.basicConfig makes them."""
    return [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]


def _line(created_s: float, level: str, logger: str, message: str) -> Line:
    moment = datetime.fromtimestamp(created_s, timezone.utc)
    ts = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"ts": ts, "level": level, "logger": logger, "message": message}
