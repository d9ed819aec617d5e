#!/usr/bin/env python3
"""Makes the environment (.venv) for the bot and the window, and says how far it is on stderr.

What the install window (gui/install_window.py) runs beside itself; `launcher.py` does the same in a
terminal. Standard library alone. Ends with 0, with 2 and a sentence, or with 130 where it was
stopped: what is installed stays.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from scripts import environment
from scripts.edge import use_utf8_output


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/install.py", description=__doc__)
    parser.add_argument("--train", action="store_true", help="what training needs, too")
    parser.add_argument("--home", help="has no effect: packages lie beside the program")
    arguments = parser.parse_args()
    use_utf8_output()
    for number in (signal.SIGINT, signal.SIGTERM):  # a window without a terminal may ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    files = [environment.LAPTOP] + ([environment.TRAIN] if arguments.train else [])
    try:
        environment.ensure(environment.Environment(), files)
    except environment.InstallError as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. What is installed stays; start again to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
