"""Measures script 2's way from a history to a training set: rate, memory, room on the disk.

    python scripts/bench_examples.py --home DIR
    python scripts/bench_examples.py --messages 200000 1000000 --json

The set is made for real, in a temporary folder. Rates count the messages that went in. With --home
it is made from that home's history (history from Discord needs its declaration first:
scripts/2_prepare_training_data.py --declare). With --messages the logs of #ubuntu (--source) are
replayed into temporary homes, each day later than the one before and under fresh ids, each time
round with other words, so that they are no duplicates of each other (scripts/bench_data.py). Each
size is measured in a process of its own.

keys of --json (MB are 10^6 bytes; of --messages a list "sizes" of them, and below it "ratios" of
the last size to the first):
  messages, examples, tokens
  seconds, cpu_seconds, messages_per_s
  set_mb            the folder at the end
  spool_mb          the most that lay in it while it was made
  peak_rss_mb       the most memory that the process held
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.budget import EstimatedTokenizer
from data.dataset import DatasetOptions, make_dataset
from data.personas import PersonaText
from data.windows import WindowOptions
from model.chat_format import Tokenizer
from model.tokenizers import VocabularyFile
from scripts.bench_data import SOURCE, CannotMeasure, import_them, write_replay
from scripts.edge import add_home, add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from storage.database import Database
from storage.paths import Home, find_home

Result = dict[str, float]
CHANNELS = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument("--messages", type=int, nargs="+", metavar="N", help="replay so many")
    parser.add_argument("--source", type=Path, default=SOURCE, metavar="DIR", help="what to replay")
    parser.add_argument("--max_length", type=int, default=1024, metavar="TOKENS")
    parser.add_argument("--base", type=Path, metavar="GGUF", help="count tokens by its vocabulary")
    add_json(parser, "one object on the last line")
    arguments = parser.parse_args()
    told = sys.stderr if arguments.json else sys.stdout
    if arguments.messages is None:
        made = measure(find_home(arguments.home), arguments.max_length, arguments.base)
        print(in_words(made), file=told)
        result: Mapping[str, object] = made
    else:
        result = compare(arguments)
    if arguments.json:
        print(json.dumps(result))
    return 0


def compare(arguments: argparse.Namespace) -> dict[str, object]:
    """Each size in a home and processes of its own, told as it ends."""
    told = sys.stderr if arguments.json else sys.stdout
    days = sorted(arguments.source.glob("*.json.gz"))
    if not days:
        raise CannotMeasure(f"There are no exports (*.json.gz) to replay in {arguments.source}.")
    sizes: list[Result] = []
    for count in arguments.messages:
        with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
            home = Home(Path(folder)).ensure()
            alone(fill, home, days, count)
            sizes.append(alone(measure, home, arguments.max_length, arguments.base))
        print(in_words(sizes[-1]), file=told, flush=True)
    first, last = sizes[0], sizes[-1]
    ratios = {
        "messages_per_s": round(last["messages_per_s"] / first["messages_per_s"], 3),
        "peak_rss_mb": round(last["peak_rss_mb"] / first["peak_rss_mb"], 3),
    }
    print(f"last to first: {in_words(ratios)}", file=told)
    return {"sizes": sizes, "ratios": ratios}


def alone(work: Callable[..., Any], *given: object) -> Any:
    """What a process of its own makes of it."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as processes:
        return processes.submit(work, *given).result()


def fill(home: Home, days: list[Path], count: int) -> None:
    """A home with so many messages, and a ground for learning from them."""
    replay = home.root / "replay"
    write_replay(days, replay, count, CHANNELS, "none", has_other_words=True)
    import_them(home, [replay])
    with Database.open(home.database, backups=home.backups) as database:
        database.record_declaration("bench_examples", "measured only: nothing is trained on it", 1)
        database.set_config("consent_mode", "declared")
    for path in replay.iterdir():
        path.unlink()


def measure(home: Home, max_length: int, base: Path | None) -> Result:
    """One set made from a home's history."""
    with tokenizer_of(base) as tokenizer:
        return made_with(tokenizer, home, max_length)


def made_with(tokenizer: Tokenizer, home: Home, max_length: int) -> Result:
    persona = PersonaText("Mynah", "You are Mynah, a regular of this server.")
    options = DatasetOptions(WindowOptions(max_tokens=max_length))
    spool_bytes = 0

    with (
        Database.open(home.database, backups=home.backups) as database,
        tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder,
    ):

        def looked(step: str, done: int, total: int) -> None:
            nonlocal spool_bytes
            if done % 10_000 == 0:
                spool_bytes = max(spool_bytes, size_of(Path(folder)))

        began, cpu_began = time.monotonic(), time.process_time()
        made = Path(folder) / "set"
        report = make_dataset(database, made, tokenizer, persona, options, looked)
        seconds = time.monotonic() - began
        cpu_seconds = time.process_time() - cpu_began
        set_bytes = size_of(made)
    return {
        "messages": report["messages"]["in"],
        "examples": report["examples"]["kept"],
        "tokens": report["training"]["tokens"] + report["validation"]["tokens"],
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "messages_per_s": round(report["messages"]["in"] / seconds),
        "set_mb": round(set_bytes / 1e6),
        "spool_mb": round(spool_bytes / 1e6),
        "peak_rss_mb": round(peak_rss_mb()),
    }


@contextmanager
def tokenizer_of(base: Path | None) -> Iterator[Tokenizer]:
    if base is None:
        yield EstimatedTokenizer()
    else:
        with VocabularyFile(base) as vocabulary:
            yield vocabulary.tokenizer


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def in_words(result: Result) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in result.items())


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
