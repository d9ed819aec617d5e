#!/usr/bin/env python3
"""Starts Mynah: without flags its window. The first start makes the environment (.venv) and
installs what is needed.

Standard library alone, and nothing here that an older Python cannot read: it shall be able to say
that it is too old.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

PROGRAM_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(PROGRAM_DIR))


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launcher.py", description=__doc__, allow_abbrev=False)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--demo", action="store_true", help="history in, a tuned model out, and a chat with it"
    )
    what.add_argument(
        "--headless", action="store_true", help="keep the bot up in this terminal, without a window"
    )
    what.add_argument("--doctor", action="store_true", help="print a report to paste into a bug")
    parser.add_argument(
        "--home", metavar="DIR", help="where data and models lie (else MYNAH_HOME, else here)"
    )
    parser.add_argument(
        "--minimised", action="store_true", help="open the window in the tray, not in sight"
    )
    demo = parser.add_argument_group("with --demo")
    demo.add_argument("--say", metavar="TEXT", help="print one reply to TEXT and end")
    demo.add_argument("--json", action="store_true", help="end with one JSON object")
    demo.add_argument(
        "--import",
        dest="paths",
        metavar="PATH",
        nargs="+",
        help="your own exports (DiscordChatExporter JSON files or folders) instead of the sample",
    )
    demo.add_argument(
        "--declare", metavar="GROUND", help="on what ground their members' words may train a model"
    )
    arguments = parser.parse_args(argv)
    only_demo = (arguments.say, arguments.json or None, arguments.paths, arguments.declare)
    if not arguments.demo and any(value is not None for value in only_demo):
        parser.error("--say, --json, --import and --declare go with --demo")
    if arguments.minimised and (arguments.demo or arguments.headless or arguments.doctor):
        parser.error("--minimised goes with the window")
    if arguments.json and arguments.say is None:
        parser.error("--json goes with --say")
    for path in arguments.paths or []:
        # Path's own would raise for an unknown user's ~ and a folder that may not be looked into.
        if not os.path.exists(os.path.expanduser(path)):  # noqa: PTH110, PTH111
            parser.error(f"{path} does not exist or may not be read; check the path to import")
    return arguments


def main(argv: list[str]) -> int:
    from scripts import environment
    from scripts.edge import use_utf8_output

    use_utf8_output()
    arguments = parse_arguments(argv)
    if arguments.doctor:
        from scripts import doctor

        return doctor.main(arguments.home)
    refusal = environment.python_refusal()
    if refusal:
        print(refusal, file=sys.stderr)
        return 2
    if not (arguments.demo or arguments.headless):
        return open_window(argv)
    files = [environment.LAPTOP] + ([environment.TRAIN] if arguments.demo else [])
    try:
        python = environment.ensure(environment.Environment(), files)
    except environment.InstallError as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What is installed stays; start again to go on.", file=sys.stderr)
        return 130
    flags = [flag for flag in argv if flag not in ("--demo", "--headless")]
    script = Path("scripts", "demo.py") if arguments.demo else Path("gui", "headless.py")
    return become([str(python), str(PROGRAM_DIR / script), *flags])


def open_window(argv: list[str]) -> int:
    """Make the environment in a window of its own where it is missing, then be the window."""
    from gui import install_window
    from gui.no_window import why_no_window
    from scripts import environment

    place = environment.Environment()
    if not environment.is_current(place, [environment.LAPTOP]):
        sentence = why_no_window()
        if sentence:
            print(sentence, file=sys.stderr)
            return 2
        status = install_window.install()
        if status:
            return status
    python = place.python
    silent = python.with_name("pythonw.exe")
    if Path(sys.executable).stem.lower() == "pythonw" and silent.exists():
        python = silent
    return become([str(python), str(PROGRAM_DIR / "gui" / "open_window.py"), *argv])


def become(command: list[str]) -> int:
    """Go on as another program: same terminal, same exit status; it and its children use UTF-8."""
    os.environ["PYTHONUTF8"] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    # Windows' execv returns to the shell at once, so wait for a child there.
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child had the Ctrl-C too and ends in its own way


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036 - the one place that an older Python reaches
        print(
            "Mynah needs Python 3.10 to 3.13 and this is {}.{}: start it with one of those.".format(
                *sys.version_info[:2]
            ),
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
