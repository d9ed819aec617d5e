"""The bot as a process of its own: composition root of the child. Also `python bot/main.py`.

Reads what the home says, opens its database and its log, and runs one `bot.bot.Bot` until it ends.
The exit status is a `bot.protocol.ExitCode`; what a person should know stands on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

# `python bot/main.py` puts bot/ itself first; ours are imported from the folder above.
sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from filelock import FileLock, Timeout

from bot.bot import Bot, End
from bot.config import read_config
from bot.logs import open_logs
from bot.platforms.discord_addresses import use_addresses
from bot.protocol import ExitCode
from bot.secret import find_token
from storage.connections import DatabaseBusyError
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home

log = logging.getLogger("bot.main")

LOCK = "bot.lock"


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
    """Run until the end; an ExitCode."""
    arguments = parse_arguments(argv)
    given = sys.stdin.readline().strip() if arguments.supervised else None
    try:
        home = find_home(arguments.home).ensure()
        with FileLock(home.data_storage / LOCK, timeout=0):
            while True:
                end, given = run(home, given)
                if end.reason:
                    say(end.reason)
                if end.code is not ExitCode.RESTART or arguments.supervised:
                    return end.code
    except Timeout:
        say(f"Mynah's bot is running already in {home.root}.")
        return ExitCode.ALREADY_RUNNING
    except MynahError as error:
        say(str(error))
        return ExitCode.BAD_CONFIG
    except KeyboardInterrupt:
        return ExitCode.DONE


def run(home: Home, given: str | None) -> tuple[End, str | None]:
    """One life of the bot, and the token that the next one may go on with."""
    try:
        with ExitStack() as stack:
            database = stack.enter_context(Database.open(home.database, backups=home.backups))
            config = read_config(home, database)
            logs = open_logs(home.logs, config.settings.text("log_level"))
            stack.callback(logs.close)
            logs.catch_crashes()
            token = find_token(home, given=given)
            logs.keep_secret(token.secret)
            for warning in config.warnings:
                log.warning("%s", warning)
            use_addresses(config.discord_api, config.discord_gateway)
            return _run(Bot(home, database, config, token.secret, logs)), token.secret
    except DatabaseBusyError as error:
        return End(ExitCode.CRASHED, str(error)), given
    except MynahError as error:
        return End(ExitCode.BAD_CONFIG, str(error)), given


def _run(bot: Bot) -> End:
    """The bot's life. The process's edge: a person reads a sentence, the log has the rest."""
    try:
        return asyncio.run(_live(bot))
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
    loop = asyncio.get_running_loop()

    def stop() -> None:
        bot.end(End(ExitCode.DONE, "Stopped."))

    for number in (signal.SIGINT, signal.SIGTERM):
        _on_signal(loop, number, stop)
    return await bot.run()


def _on_signal(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, act: Callable[[], None]
) -> None:
    """Windows' event loop has no signal handlers; Python's own wake it there."""
    try:
        loop.add_signal_handler(number, act)
    except NotImplementedError:
        with suppress(ValueError):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))


def say(text: str) -> None:
    """A sentence for people; a double-clicked pythonw has no stderr."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
