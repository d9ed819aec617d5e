"""The bot as a process of its own: composition root of the child. Also `python bot/main.py`.

Reads what the home says, opens its database and its log, and runs one `bot.bot.Bot` until it ends.
The exit status is a `bot.protocol.ExitCode`; what a person should know stands on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

if __package__ in (None, ""):
    # `python bot/main.py` puts bot/ itself first; ours are imported from the folder above. As a
    # module of the package this file changes nothing.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from filelock import FileLock, Timeout

from bot.bot import Bot
from bot.config import read_config
from bot.ending import End, end_of
from bot.leaving import LastResort, leave, run_loop, threads_ended
from bot.log_redaction import Redaction
from bot.logs import Logs, open_logs
from bot.platforms.discord_addresses import use_addresses
from bot.protocol import ExitCode, remove_endpoint
from bot.secret import find_token
from storage.connections import LIVE_CACHE_KIB
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home

log = logging.getLogger("bot.main")


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bot/main.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--home", metavar="DIR", help="the home folder (else MYNAH_HOME, else here)"
    )
    parser.add_argument(
        "--supervised",
        action="store_true",
        help="a supervisor started this: the token's line comes on stdin, restarts are its own",
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run until the end; an ExitCode. What may still be busy then is for `leave`."""
    arguments = parse_arguments(argv)
    redaction = Redaction()
    try:
        given = sys.stdin.readline().strip() if arguments.supervised else None
        home = find_home(arguments.home).ensure()
        with FileLock(home.bot_lock, timeout=0):
            end = _Process(home, redaction, given, is_supervised=arguments.supervised).run()
    except Timeout:
        end = End(ExitCode.ALREADY_RUNNING, f"Mynah's bot is running already in {home.root}.")
    except MynahError as error:
        end = end_of(error)
    except KeyboardInterrupt:
        end = End(ExitCode.DONE)
    say(redaction.clean(end.reason))
    return end.code


class _Process:
    """The bot's lives in this process: one, or, where nobody supervises it, one each restart."""

    def __init__(
        self, home: Home, redaction: Redaction, given: str | None, *, is_supervised: bool
    ) -> None:
        """`given` is the supervisor's line."""
        self._home = home
        self._redaction = redaction
        self._is_supervised = is_supervised
        self._token = given

    def run(self) -> End:
        """Until the end of the last one."""
        while True:
            end = self._one_life()
            if end.code is not ExitCode.RESTART or self._is_supervised:
                return end
            say(self._redaction.clean(end.reason))
            threads_ended()  # two models at once would not fit a laptop

    def _one_life(self) -> End:
        home = self._home
        with ExitStack() as stack:
            database = stack.enter_context(
                Database.open(home.database, backups=home.backups, cache_kib=LIVE_CACHE_KIB)
            )
            config = read_config(home, database)
            logs = open_logs(home.logs, config.settings.text("log_level"))
            stack.callback(logs.close)
            logs.catch_crashes()
            self._token = find_token(home, given=self._token).secret
            self._redaction.add(self._token)
            logs.keep_secret(self._token)
            for warning in config.warnings:
                log.warning("%s", warning)
            use_addresses(config.discord_api, config.discord_gateway)
            on_end = self._when_ending(logs)
            return _run(Bot(home, database, config, self._token, logs, on_end))

    def _when_ending(self, logs: Logs) -> Callable[[End], None]:
        """From the moment on in which the bot begins to end, there is an end to its patience."""

        def last_words() -> None:
            log.warning("Ending in order took too long; the process leaves.")
            logs.flush(0.5)
            remove_endpoint(self._home.data_storage, os.getpid())

        def on_end(end: End) -> None:
            if end.code is not ExitCode.RESTART or self._is_supervised:
                LastResort(last_words).arm(end.code)

        return on_end


def _run(bot: Bot) -> End:
    """The bot's life. The process's edge: a person reads a sentence, the log has the rest."""
    try:
        return run_loop(_live(bot))
    except MynahError:
        raise
    except Exception as error:
        log.critical("The bot went down", exc_info=error)
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}:{at.lineno}"
        folder = bot.home.logs
        said = f"Mynah's bot went down ({type(error).__name__} at {where}); {folder} says more."
        return End(ExitCode.CRASHED, said)


async def _live(bot: Bot) -> End:
    with _on_signals(lambda: bot.end(End(ExitCode.DONE, "Stopped."))):
        return await bot.run()


@contextmanager
def _on_signals(act: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM. Windows' event loop has no signal handlers; Python's wake it there."""
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, act)
                stack.callback(loop.remove_signal_handler, number)
            except NotImplementedError:
                with suppress(ValueError):
                    stack.callback(signal.signal, number, signal.signal(number, handle))
        yield


def say(text: str) -> None:
    """A sentence for people; a double-clicked pythonw has no stderr."""
    if text and sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
