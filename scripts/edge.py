"""A script's edge: UTF-8 output, and expected failures as a sentence. Standard library alone."""

from __future__ import annotations

import _thread
import argparse
import getpass
import io
import logging
import signal
import sys
import threading
from collections.abc import Callable

from storage.errors import MynahError


def use_utf8_output() -> None:
    """Call first in a script: Windows writes to files and pipes in its code page, without emoji."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # anything else is a test's own
            stream.reconfigure(encoding="utf-8", errors="replace")


def stop_when_terminated() -> None:
    """SIGTERM acts as Ctrl-C from here on, also where a window without a terminal had that ignored:
    what is half-made is put away. On Windows Ctrl-Break does, and a process that is terminated is
    gone at once."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGBREAK"):
        if number := getattr(signal, name, None):
            # Raised again, so that asyncio's own way of taking Ctrl-C is the one that is gone.
            signal.signal(number, lambda number, frame: signal.raise_signal(signal.SIGINT))
    sys.unraisablehook = _once_more


def _once_more(lost: sys.UnraisableHookArgs) -> None:
    """Ctrl-C that comes while something is being collected (SQLAlchemy does much then) is lost: it
    is raised again in a moment, when that is over."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        timer = threading.Timer(0.02, _interrupt)
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt() -> None:
    """Ctrl-C for the main thread, also where that waits in the system."""
    main_thread = threading.main_thread().ident
    if sys.platform != "win32" and main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGINT)
    else:
        _thread.interrupt_main()


def ending_in_a_sentence(
    main: Callable[[], int],
    *,
    failed: str = "A file could not be used",
    stopped: str = "Stopped. What was finished stays; start again to go on.",
) -> int:
    """main's exit status; 2 after an expected failure, 130 after Ctrl-C, each with a sentence."""
    use_utf8_output()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        return main()
    except MynahError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        remedy = "Check the disk's space and the folder's rights, then start again."
        print(f"{failed}: {error}. {remedy}", file=sys.stderr)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130
    return 2


def add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home", metavar="DIR", help="the home folder (default: MYNAH_HOME, else here)"
    )


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=what)


def home_and_json() -> argparse.ArgumentParser:
    """Parent of a parser and its commands: both flags may stand before or after the command."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    add_home(common)
    add_json(common, "print one JSON object instead of text")
    return common


def folder_name(text: str) -> str:
    """An argument that names one folder: no path, nothing hidden."""
    if not text or text.startswith(".") or not all(c.isalnum() or c in "._-" for c in text):
        raise argparse.ArgumentTypeError("letters, digits, dots, dashes and underscores")
    return text


def user_name() -> str:
    """Who sits here, for what is kept with a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a system without a name for this user
        return "an administrator"
