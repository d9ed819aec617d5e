"""`bot/main.py` where something takes for ever: `held_up.py loading|training`, then its arguments.

With "deaf" it is itself that training: one that does not end when it is asked to.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

FOR_EVER_S = 600.0


def slow_loading() -> None:
    """The model lies on a disk that does not answer."""
    import model.inference

    def load(*arguments: Any, **named: Any) -> Any:
        time.sleep(FOR_EVER_S)

    setattr(model.inference, "DecodingContext", load)  # noqa: B010


def deaf_training() -> None:
    import bot.errands
    from bot.jobs import Script

    script = Script(__file__, ("deaf",))
    setattr(bot.errands, "training", lambda home, profile: script)  # noqa: B010


def main(what: str, argv: list[str]) -> None:
    from bot.leaving import leave
    from bot.main import main

    {"loading": slow_loading, "training": deaf_training}[what]()
    leave(main(argv))


if __name__ == "__main__":
    if sys.argv[1] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(FOR_EVER_S)
    main(sys.argv[1], sys.argv[2:])
