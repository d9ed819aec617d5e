"""Builds the memory: a vector for every message that may be recalled, the newest first.

    python scripts/5_build_memory.py                     all that has none yet
    python scripts/5_build_memory.py --limit 2000        at most so many this time

Start it again at any time: it goes on where it was. Ctrl-C or SIGTERM end it after the batch it is
in. Vectors of messages that may not be recalled any more (deleted, author excluded) are taken out,
edited ones are made again. The embedder (all-MiniLM-L6-v2 as GGUF) is made first where it is
missing. It runs at a low priority: a bot or a training run beside it goes first.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
from filelock import FileLock, Timeout

from data.memory import MemoryBuild, MemoryProgress, build_memory
from model.embedder import Embedder, ready_embedder
from scripts.edge import add_home, add_json, ending_in_a_sentence
from scripts.erasures import finish_erasing
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import sha256_file, write_text_atomically
from storage.paths import Home, find_home
from storage.settings import load
from storage.vectordb import BUILT_WITH, VectorIndex, built_with


class BuildError(MynahError):
    """The memory cannot be built now."""


class Stop:
    """Takes Ctrl-C and SIGTERM: noted where a batch may be finished, else at once.

    While the embedder is being made its converter's process runs, which must not be left behind:
    KeyboardInterrupt ends it (subprocess.run sees to that).
    """

    def __init__(self) -> None:
        self.is_asked = False
        self.may_wait = False

    def __call__(self, *_: object) -> None:
        self.is_asked = True
        if not self.may_wait:
            raise KeyboardInterrupt


def main() -> int:
    arguments = parse_arguments(sys.argv[1:])
    logging.getLogger().setLevel(logging.ERROR)
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    give_way()
    report = run(arguments, stop)
    if arguments.json:
        print(json.dumps(report))
    return 0


def parse_arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument(
        "--first", type=_from(0), metavar="N",
        help="say when the newest N can be recalled (default: the setting memory_first_lines)",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=_from(1), metavar="N", help="embed at most N lines this time"
    )
    parser.add_argument(
        "--threads", type=_from(0), default=1, metavar="N",
        help="threads to compute with; 0: one a physical core (default: 1, a bot may be running)",
    )  # fmt: skip
    add_json(parser, "end with one JSON object of figures")
    return parser.parse_args(given)


def _from(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number from `least` up."""

    def parse(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number from {least} up")
        return int(text)

    return parse


def give_way() -> None:
    """Lower this process's priority, and that of the converter it may start."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        psutil.Process().nice(10)


def run(arguments: argparse.Namespace, stop: Stop) -> dict[str, object]:
    """Build under the home's lock; what `--json` prints."""
    home = find_home(arguments.home).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
    try:
        with FileLock(home.data_storage / "embeddings.lock", timeout=0):
            build = _build(home, arguments, stop)
    except Timeout:
        raise BuildError(
            f"the memory of {home.root} is being built by another process already: let it finish"
        ) from None
    say(_summary(build))
    return {
        "index": str(home.embeddings),
        "recallable": build.recallable,
        "had": build.had,
        "added": build.added,
        "removed": build.removed,
        "left": build.left,
        "seconds": round(build.seconds, 2),
        "stopped": build.stopped,
    }


def _build(home: Home, arguments: argparse.Namespace, stop: Stop) -> MemoryBuild:
    gguf = ready_embedder(home)
    stop.may_wait = True
    with (
        Database.open(home.database, backups=home.backups) as db,
        Embedder.load(gguf, threads=arguments.threads) as embedder,
    ):
        index = VectorIndex(home.embeddings, embedder.dimensions)
        _start_over_if_changed(index, gguf)
        settings, _ = load(db.config_rows())
        first = settings.whole("memory_first_lines") if arguments.first is None else arguments.first
        return build_memory(
            db,
            index,
            embedder,
            limit=arguments.limit,
            on_progress=Announcer(first),
            should_stop=lambda: stop.is_asked,
        )


def _start_over_if_changed(index: VectorIndex, gguf: Path) -> None:
    """Vectors of another embedder go: they do not compare with this one's."""
    current = sha256_file(gguf)
    before = built_with(index.folder)
    if before != current and (made := index.ids()):
        say("The embedder is another one than before: the memory is built anew.")
        index.delete(made)
        index.compact()
    if before != current:
        write_text_atomically(index.folder / BUILT_WITH, current)


class Announcer:
    """Progress on stderr: a line at the newest `first`, and one every few seconds."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._next = 0

    def __call__(self, progress: MemoryProgress) -> None:
        if self._first and progress.done >= min(self._first, progress.wanted):
            say(f"The newest {progress.done:,} lines can be recalled now.")
            self._first = 0
        if progress.done >= self._next or progress.done == progress.wanted:
            self._next = progress.done + max(1, int(progress.lines_per_s * 5))
            say(
                f"{progress.done:,} of {progress.wanted:,} lines, "
                f"{progress.lines_per_s:,.0f} a second, {_duration(progress.left_s)} left"
            )


def _summary(build: MemoryBuild) -> str:
    removed = f", {build.removed:,} taken out" if build.removed else ""
    state = "Stopped" if build.stopped else "Done"
    left = f"; {build.left:,} to go: start it again" if build.left else ""
    return (
        f"{state}: {build.added:,} lines added{removed} in {_duration(build.seconds)}, "
        f"{build.had + build.added:,} of {build.recallable:,} can be recalled by meaning{left}."
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="The memory cannot be built",
            stopped="Stopped before a line was added; start it again to go on.",
        )
    )
