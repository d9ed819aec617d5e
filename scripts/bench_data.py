"""Measures the way of a history: files, import into a home, search in it, files again.

Each stage runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import random
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timezone
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.exporting import write_channel_exports
from data.importers.importing import import_paths
from scripts.edge import add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from storage.database import Database
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home, find_home
from storage.records import Origin

SOURCE = PROGRAM_DIR.parent / "shared" / "data" / "ubuntu_irc" / "train"
DISCORD_EPOCH_MS = 1_420_070_400_000
START_MS = 1_577_836_800_000
"""The replay begins in 2020."""
DAY_MS = 86_400_000
GUILD = {"id": "140737488355327999", "name": "Ubuntu", "iconUrl": ""}
FIRST_CHANNEL_ID = 140_737_500_000_000_000
QUERIES = 300
_WORD = re.compile(r"\w{3,}")
_LONG_WORD = re.compile(r"\b[a-z]{4,}\b(?![:,])")
"""No nick that somebody is addressed by."""

KEYS = """\
With --messages the logs of #ubuntu (--source) are replayed: over and over, each day later than the
one before and under fresh ids, until there are N messages, as exports of one line with all that
DiscordChatExporter writes. With PATH those files are imported instead.

keys of --json (MB are 10^6 bytes; peak_mb is the most memory that the stage's process held):
  messages                            imported
  write:   seconds, file_mb, peak_mb  the replay's files (with --messages)
  import:  seconds, messages_per_s, cpu_seconds, messages_per_cpu_s, new, database_mb, peak_mb
  again:   the same, of the same import once more (with --again)
  search:  queries, p50_ms, p95_ms, peak_mb
           full text: three words, the ten best that may be recalled
  export:  seconds, messages_per_s, file_mb, peak_mb
           data_storage/messages/channel_*.json

examples:
  python scripts/bench_data.py --messages 1000000 --json
  python scripts/bench_data.py --messages 3100000 --files 1 --pack zip
  python scripts/bench_data.py ../shared/data/ubuntu_irc/train --again
"""

Result = dict[str, Any]


class CannotMeasure(MynahError):
    """There is nothing to measure, or not here."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=KEYS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="import these instead")
    parser.add_argument("--messages", type=int, metavar="N", help="replay so many")
    parser.add_argument("--files", type=int, default=10, metavar="N", help="channels (default 10)")
    parser.add_argument(
        "--pack", choices=["none", "gz", "zip"], default="none", help="how the files are packed"
    )
    parser.add_argument("--source", type=Path, default=SOURCE, metavar="DIR", help="what to replay")
    parser.add_argument("--again", action="store_true", help="import a second time, too")
    parser.add_argument("--home", metavar="DIR", help="keep it there (default: a temporary one)")
    add_json(parser, "one object on the last line")
    arguments = parser.parse_args()
    if bool(arguments.paths) == bool(arguments.messages):
        raise CannotMeasure("Name the files to import, or say how many --messages to replay.")
    days = sorted(arguments.source.glob("*.json.gz"))
    if arguments.messages and not days:
        raise CannotMeasure(f"There are no exports (*.json.gz) to replay in {arguments.source}.")
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        home = (find_home(arguments.home) if arguments.home else Home(Path(folder))).ensure()
        if home.database.exists():
            raise CannotMeasure(f"{home.root} holds a history already; name a new folder.")
        result = measure(home, arguments, days)
    if arguments.json:
        print(json.dumps(result))
    return 0


def measure(home: Home, arguments: argparse.Namespace, days: list[Path]) -> Result:
    """All stages, each told as it ends."""
    result: Result = {}

    def stage(name: str, work: Callable[..., Result], *given: object) -> None:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as processes:
            figures = processes.submit(work, *given).result()
        result[name] = {**figures, "peak_mb": figures.pop("peak_mb")}
        told = ", ".join(f"{key} {value:,}" for key, value in result[name].items())
        print(f"{name}: {told}", file=sys.stderr if arguments.json else sys.stdout, flush=True)

    paths = arguments.paths
    if arguments.messages:
        replay = home.root / "replay"
        wanted = (arguments.messages, max(1, arguments.files), arguments.pack)
        stage("write", write_replay, days, replay, *wanted)
        paths = [replay]
    stage("import", import_them, home, paths)
    if arguments.again:
        stage("again", import_them, home, paths)
    stage("search", search, home)
    stage("export", export, home)
    return {"messages": result["import"].pop("messages"), **result}


# -- stages, each in a process of its own -------------------------------------------------------


def import_them(home: Home, paths: list[Path]) -> Result:
    cpu_s = time.process_time()
    with Database.open(home.database, backups=home.backups) as database:
        summary = import_paths(database, paths, origin=Origin.EXPORT, quarantine=home.quarantine)
    cpu_s = time.process_time() - cpu_s
    return {
        "messages": summary.messages,
        "seconds": round(summary.seconds, 2),
        "messages_per_s": rate(summary.messages, summary.seconds),
        "cpu_seconds": round(cpu_s, 2),
        "messages_per_cpu_s": rate(summary.messages, cpu_s),
        "new": summary.new,
        "database_mb": round(home.database.stat().st_size / 1e6),
        "peak_mb": round(peak_rss_mb()),
    }


def search(home: Home) -> Result:
    took_ms = []
    with Database.open(home.database, backups=home.backups) as database:
        for query in queries(database):
            began = time.perf_counter()
            database.search_text(query, 10, recallable_only=True)
            took_ms.append((time.perf_counter() - began) * 1000)
    took_ms.sort()
    return {
        "queries": len(took_ms),
        "p50_ms": round(took_ms[len(took_ms) // 2], 2) if took_ms else 0.0,
        "p95_ms": round(took_ms[int(len(took_ms) * 0.95)], 2) if took_ms else 0.0,
        "peak_mb": round(peak_rss_mb()),
    }


def queries(database: Database) -> list[str]:
    """Three words each, of messages here and there; the same ones for the same history."""
    dice = random.Random(20261120)
    counts = sorted(database.message_counts().items())
    found: list[str] = []
    for _ in range(QUERIES * 20):
        if len(found) == QUERIES or not counts:
            break
        ((channel_id, _),) = dice.choices(counts, [count for _, count in counts])
        newest = database.recent_messages(channel_id, 1)[0].message_id
        first = next(database.messages(channel_id=channel_id)).message_id
        after_id = dice.randint(first - 1, newest - 1)
        message = next(database.messages(channel_id=channel_id, after_id=after_id))
        words = _WORD.findall(message.content)
        if len(words) >= 3:
            found.append(" ".join(dice.sample(words, 3)))
    return found


def export(home: Home) -> Result:
    began = time.monotonic()
    with Database.open(home.database, backups=home.backups) as database:
        count = sum(database.message_counts().values())
        written = write_channel_exports(database, home.messages)
    seconds = time.monotonic() - began
    return {
        "seconds": round(seconds, 2),
        "messages_per_s": rate(count, seconds),
        "file_mb": round(sum(path.stat().st_size for path in written) / 1e6),
        "peak_mb": round(peak_rss_mb()),
    }


def write_replay(
    days: list[Path],
    folder: Path,
    count: int,
    channels: int,
    pack: str,
    *,
    has_other_words: bool = False,
) -> Result:
    """The replay's files in `folder`, which is made. `has_other_words`: each time round the long
    words are others, so that no line is said twice."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    ending = ".json.gz" if pack == "gz" else ".json"
    paths = [folder / f"ubuntu-{number}{ending}" for number in range(channels)]
    with ExitStack() as stack:
        files = [stack.enter_context(opened(path)) for path in paths]
        for number, file in enumerate(files):
            head = {
                "guild": GUILD,
                "channel": {
                    "id": str(FIRST_CHANNEL_ID + number),
                    "type": "GuildTextChat",
                    "categoryId": None,
                    "category": None,
                    "name": f"ubuntu-{number}",
                    "topic": None,
                },
                "dateRange": {"after": None, "before": None},
                "exportedAt": datetime.now(timezone.utc).isoformat(),
            }
            file.write(json.dumps(head)[:-1] + ', "messages": [')
        begun = [False] * channels
        for channel, message in replay(days, count, channels, has_other_words=has_other_words):
            files[channel].write((", " if begun[channel] else "") + json.dumps(message))
            begun[channel] = True
        for file in files:
            file.write("]}")
    if pack == "zip":
        with zipfile.ZipFile(folder / "ubuntu.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                archive.write(path, path.name)
                path.unlink()
    return {
        "seconds": round(time.monotonic() - began, 2),
        "file_mb": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6),
        "peak_mb": round(peak_rss_mb()),
    }


def replay(
    days: list[Path], count: int, channels: int, *, has_other_words: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(channel's number, raw message) so many times: a day of the source after another, each into
    one channel and a calendar day of its own."""
    done = 0
    for number, day in enumerate(cycle(days)):
        with gzip.open(day, "rt", encoding="utf-8") as file:
            messages = json.load(file)["messages"]
        first_ms = 0
        for message in messages:
            said_ms = int(datetime.fromisoformat(message["timestamp"]).timestamp() * 1000)
            first_ms = first_ms or said_ms
            at_ms = START_MS + number * DAY_MS + said_ms - first_ms
            if has_other_words and number >= len(days):
                ending = f"{number // len(days)}"
                message["content"] = _LONG_WORD.sub(rf"\g<0>{ending}", message["content"])
            yield number % channels, renewed(message, at_ms, done)
            done += 1
            if done == count:
                return


def renewed(message: dict[str, Any], at_ms: int, number: int) -> dict[str, Any]:
    """The message as if said then, under an id of its own, with all that an exporter writes."""
    person = message["author"]
    picture = f"https://cdn.discordapp.com/avatars/{person['id']}/{int(person['id']):032x}.png"
    role = {"id": "140737488355328001", "name": "member", "color": "#3498DB", "position": 1}
    return {
        **message,
        "id": str((at_ms - DISCORD_EPOCH_MS) << 22 | number % (1 << 22)),
        "timestamp": datetime.fromtimestamp(at_ms / 1000, timezone.utc).isoformat(
            timespec="milliseconds"
        ),
        "callEndedTimestamp": None,
        "author": {**person, "color": "#3498DB", "roles": [role], "avatarUrl": picture},
        "inlineEmojis": [],
    }


def opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "wt", compresslevel=1, encoding="utf-8"))
    return path.open("w", encoding="utf-8")


def rate(count: int, seconds: float) -> int:
    return round(count / seconds) if seconds else 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
