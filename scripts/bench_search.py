"""Measures one recall query apart from embedding its line: full text, vectors, rows, and the whole.

The history is real lines of #ubuntu (--source) with their real vectors. Where more messages are
asked for than lines were embedded, copies follow: a fifth of the words replaced by other words of
the logs, and the vector moved by 0.6 times the difference of two other lines' vectors, so that it
lies about as far from its original (cosine 0.78) as lines lie that say alike things. The queries
are other real lines (--queries). A temporary folder holds a real SQLite file and a real LanceDB
folder; each size is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
from numpy.typing import NDArray

from bot.query_words import WORD, content_words
from bot.recall import CANDIDATES, SEARCHED, Asked, Recall
from data.memory import MIN_WORDS
from model.embedder import Embedder, ready_embedder
from scripts.edge import add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from storage.database import Database
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin, Readers
from storage.vectordb import VectorIndex

UBUNTU = PROGRAM_DIR.parent / "shared" / "data" / "ubuntu_irc"
CACHE = Path(tempfile.gettempdir()) / "mynah-bench-search"
START_MS = 1_577_836_800_000
EVERY_MS = 20_000
CHANNELS = 10
IN_A_ROW = 20_000
"""Messages of one channel before the next one's."""
MEMBERS = 5_000
REPLACED = 0.2
MOVED = 0.6
DEEPEST = 24
TEXT_QUERIES = 40
"""Queries whose full text is compared with all that FTS5 finds: half a second each at a million."""
NEIGHBOURS = 2

KEYS = """\
keys of --json, one object a size in a list (times are wall-clock milliseconds of one query):
  messages, vectors               stored
  copies                          messages that are perturbed copies
  copy_cosine                     of a copy's vector to its original's, mean
  nearest_cosine                  of a query to its nearest message, median
  fill_s, vectors_s, codes_s      storing the messages; writing their vectors; making the index
  codes_cpu_s, rebuild_s          ... its CPU seconds; full text built anew, as migration 0005 does
  database_mb, vectors_mb         on the disk
  open_s, open_mb                 opening the index (its seal is checked); memory that takes,
                                  60 of it LanceDB itself
  held_mb, peak_mb                memory beyond database and embedder after all queries; the
                                  most of the whole process
  text, index, rows, whole:       p50_ms, p95_ms, cpu_p50_ms, cpu_p95_ms
    text    Database.search_text of the content words;  index   VectorIndex.search
    rows    neighbours, permissions and their vectors;  whole   Recall.rank, all of it
  recall_at_10, recall_at_24      share of the exact nearest that the index finds
  text_kept                       BM25 of the 24 messages found, as a share of the best 24's

examples:
  python scripts/bench_search.py --messages 100000 1000000 --json
  python scripts/bench_search.py --messages 20000 --embed 5000

Embedding 100,000 lines takes 4 to 8 minutes; they are kept in --cache for the next time. A million
messages then take some 5 minutes and 4 GB of disk.
"""

Vectors = NDArray[np.float32]
Result = dict[str, Any]
T = TypeVar("T")


class CannotMeasure(MynahError):
    """There is nothing to measure."""


@dataclass(frozen=True)
class Lines:
    """Real lines and their vectors, row by row."""

    texts: list[str]
    vectors: Vectors


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=KEYS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--messages", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N", help="sizes"
    )
    parser.add_argument(
        "--embed", type=int, default=100_000, metavar="N", help="real lines to embed (100000)"
    )
    parser.add_argument("--ask", type=int, default=600, metavar="N", help="queries (600)")
    parser.add_argument("--source", type=Path, default=UBUNTU / "train", metavar="DIR")
    parser.add_argument("--queries", type=Path, default=UBUNTU / "dev", metavar="DIR")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help=f"vectors are kept there ({CACHE})"
    )
    add_json(parser, "the list of figures on the last line")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    gguf = ready_embedder(Home(arguments.cache))
    embedded(gguf, arguments.source, arguments.embed, arguments.cache / "lines.npz")
    embedded(gguf, arguments.queries, arguments.ask, arguments.cache / "queries.npz")
    results = []
    for count in arguments.messages:
        with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
            home = Home(Path(folder)).ensure()
            made = alone(fill, home, arguments.cache, count)
            results.append({**made, **alone(ask, home, arguments.cache, gguf)})
            say(json.dumps(results[-1], indent=2))
    if arguments.json:
        print(json.dumps(results))
    return 0


def alone(work: Callable[..., T], *given: object) -> T:
    """In a process of its own, so that its memory is its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as processes:
        return processes.submit(work, *given).result()


# -- lines ---------------------------------------------------------------------------------------


def embedded(gguf: Path, folder: Path, count: int, kept: Path) -> Lines:
    """`count` lines from all over the folder, with their vectors; from `kept` where they are."""
    if kept.is_file() and len((lines := read(kept)).texts) == count:
        return lines
    texts = list(said_in(folder))
    if len(texts) < count:
        raise CannotMeasure(f"There are {len(texts)} lines in {folder}, not {count}.")
    chosen = [texts[i] for i in np.linspace(0, len(texts) - 1, count).astype(int)]
    parts = []
    began = time.monotonic()
    with Embedder.load(gguf) as embedder:
        for start in range(0, count, 2_000):
            parts.append(embedder.embed(chosen[start : start + 2_000]))
            say(f"{start:,} of {count:,} lines embedded, {time.monotonic() - began:.0f} s")
    np.savez(kept, texts=np.array(json.dumps(chosen)), vectors=np.concatenate(parts))
    return read(kept)


def read(kept: Path) -> Lines:
    with np.load(kept) as arrays:
        return Lines(json.loads(str(arrays["texts"])), arrays["vectors"])


def said_in(folder: Path) -> Iterator[str]:
    """What has words enough to be recalled, of a folder of exports."""
    for day in sorted(folder.glob("*.json.gz")):
        with gzip.open(day, "rt", encoding="utf-8") as file:
            messages = json.load(file)["messages"]
        for message in messages:
            if len(WORD.findall(message["content"])) >= MIN_WORDS:
                yield message["content"]


def messages(texts: list[str], count: int) -> Iterator[MessageRecord]:
    """The lines, then copies of them; ids grow with time as Discord's do."""
    dice = random.Random(20261121)
    words = [word for text in texts for word in text.split()]
    for number in range(count):
        text = texts[number % len(texts)]
        if number >= len(texts):
            text = " ".join(
                dice.choice(words) if dice.random() < REPLACED else word for word in text.split()
            )
        at_ms = START_MS + number * EVERY_MS
        yield MessageRecord(
            id_of(number),
            1 + number // IN_A_ROW % CHANNELS,
            1 + dice.randrange(MEMBERS),
            text,
            at_ms,
            Origin.EXPORT,
        )


def id_of(number: int) -> int:
    return (number * EVERY_MS + START_MS - 1_420_070_400_000) << 22


def vectors(real: Vectors, count: int) -> Iterator[Vectors]:
    """The vectors of `messages`, as many rows at a time as there are real ones."""
    dice = np.random.default_rng(20261121)
    for start in range(0, count, len(real)):
        rows = real
        if start:
            one, other = dice.integers(0, len(real), (2, len(real)))
            rows = real + MOVED * (real[one] - real[other])
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        yield rows[: count - start].astype(np.float32)


# -- stages, each in a process of its own ------------------------------------------------------


def fill(home: Home, cache: Path, count: int) -> Result:
    """Store the messages and their vectors, and what is exactly nearest to each query."""
    lines, queries = read(cache / "lines.npz"), read(cache / "queries.npz").vectors
    began = time.monotonic()
    with Database.open(home.database, backups=home.backups) as db:
        open_to_all = Readers(everyone=True)
        db.upsert_channels(
            ChannelRecord(i + 1, 9, "Ubuntu", f"ubuntu-{i}", readers=open_to_all)
            for i in range(CHANNELS)
        )
        db.upsert_members(MemberRecord(i + 1, f"nick{i}", f"nick{i}") for i in range(MEMBERS))
        db.upsert_messages(messages(lines.texts, count))
        fill_s, began = time.monotonic() - began, time.monotonic()
        with db.writing() as connection:
            connection.exec_driver_sql("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
        rebuild_s, began = time.monotonic() - began, time.monotonic()
    index = VectorIndex(home.embeddings, lines.vectors.shape[1])
    nearest = np.full((len(queries), DEEPEST), -1.0, np.float32)
    cosines = []
    done, vectors_s = 0, 0.0
    for rows in vectors(lines.vectors, count):
        began = time.monotonic()
        for start in range(0, len(rows), 10_000):
            part = rows[start : start + 10_000]
            index.add([id_of(done + start + i) for i in range(len(part))], part)
        vectors_s += time.monotonic() - began
        nearest = nearest_of(nearest, queries, rows)
        if done:
            cosines.append(float((rows * lines.vectors[: len(rows)]).sum(1).mean()))
        done += len(rows)
    began, cpu_s = time.monotonic(), time.process_time()
    index.compact()
    np.save(home.data_storage / "nearest.npy", nearest)
    return {
        "messages": count,
        "vectors": index.count(),
        "copies": max(0, count - len(lines.texts)),
        "copy_cosine": round(float(np.mean(cosines)), 3) if cosines else None,
        "nearest_cosine": round(float(np.median(nearest[:, 0])), 3),
        "fill_s": round(fill_s, 1),
        "rebuild_s": round(rebuild_s, 1),
        "vectors_s": round(vectors_s, 1),
        "codes_s": round(time.monotonic() - began, 1),
        "codes_cpu_s": round(time.process_time() - cpu_s, 1),
        "database_mb": round(home.database.stat().st_size / 1e6),
        "vectors_mb": round(
            sum(p.stat().st_size for p in home.embeddings.rglob("*") if p.is_file()) / 1e6
        ),
    }


def nearest_of(nearest: Vectors, queries: Vectors, rows: Vectors) -> Vectors:
    """The cosines of each query's nearest, best first, with these rows too."""
    for start in range(0, len(rows), 20_000):
        found = queries @ rows[start : start + 20_000].T
        nearest = np.concatenate((nearest, found), axis=1)
        nearest = -np.partition(-nearest, DEEPEST, axis=1)[:, :DEEPEST]
    return np.asarray(-np.sort(-nearest, axis=1))


def ask(home: Home, cache: Path, gguf: Path) -> Result:
    queries = read(cache / "queries.npz")
    nearest = np.load(home.data_storage / "nearest.npy")
    took: dict[str, list[tuple[float, float]]] = {p: [] for p in ("text", "index", "rows", "whole")}
    shares: list[tuple[float, float]] = []
    with Database.open(home.database, backups=home.backups) as db, Embedder.load(gguf) as embedder:
        before_mb, began = memory_mb(), time.monotonic()
        index = VectorIndex(home.embeddings, queries.vectors.shape[1], repair=False)
        result: Result = {"open_s": round(time.monotonic() - began, 2)}
        result["open_mb"] = round(memory_mb() - before_mb)
        recall = Recall(db, index=index, embedder=embedder)
        recall.named_in("warm", START_MS)
        channel = db.channels()[0]
        for number, (text, vector) in enumerate(zip(queries.texts, queries.vectors, strict=True)):
            if number % 2:  # parts and whole with different queries: neither warms the other's
                asked = Asked(text, channel, 2 * START_MS, 1 << 62)
                measured(took["whole"], lambda: recall.rank(asked, vector))  # noqa: B023
            else:
                found = parts(took, db, index, text, vector)
                shares.append(share_found(found, nearest[number]))
        result |= {"held_mb": round(memory_mb() - before_mb), "peak_mb": round(peak_rss_mb())}
        kept = [text_kept(db, text) for text in queries.texts[:TEXT_QUERIES]]
    result |= {part: percentiles(times) for part, times in took.items()}
    at_10, at_24 = np.mean(shares, axis=0)
    return {
        **result,
        "recall_at_10": round(float(at_10), 4),
        "recall_at_24": round(float(at_24), 4),
        "text_kept": round(float(np.mean(kept)), 4),
    }


def parts(
    took: dict[str, list[tuple[float, float]]],
    db: Database,
    index: VectorIndex,
    text: str,
    vector: Vectors,
) -> list[tuple[int, float]]:
    """Text, index and rows of one query, one after another; what the index found."""
    words = " ".join(content_words(text))
    by_text = measured(took["text"], lambda: db.search_text(words, SEARCHED, recallable_only=True))
    found = measured(took["index"], lambda: index.search(vector, SEARCHED))
    hits = {i for i, _ in (*by_text[:CANDIDATES], *found[:CANDIDATES])}
    measured(
        took["rows"],
        lambda: index.vectors([one.message_id for one in db.around(hits, NEIGHBOURS)]),
    )
    return found


def measured(times: list[tuple[float, float]], work: Callable[[], T]) -> T:
    began, cpu = time.perf_counter(), time.process_time()
    done = work()
    times.append((time.perf_counter() - began, time.process_time() - cpu))
    return done


def share_found(found: list[tuple[int, float]], nearest: Vectors) -> tuple[float, float]:
    """Of the 10 and of the 24 nearest: how many are as near as those. Equal ones count alike."""
    cosines = np.array([cosine for _, cosine in found])

    def share(depth: int) -> float:
        return min(1.0, float((cosines >= nearest[depth - 1] - 1e-5).sum() / depth))

    return share(10), share(DEEPEST)


def text_kept(db: Database, text: str) -> float:
    """FTS5's own scores of the 24 that are found, summed, as a share of the best 24's."""
    words = content_words(text)
    if not words:
        return 1.0
    found = [message_id for message_id, _ in db.search_text(" ".join(words), DEEPEST)]
    ranked = "SELECT rowid, -rank FROM messages_fts WHERE messages_fts MATCH ?"
    with db.reading() as connection:
        any_word = " OR ".join(f'"{word}"' for word in words)
        scores = dict(connection.exec_driver_sql(ranked, (any_word,)).tuples().all())
    best = sum(sorted(scores.values(), reverse=True)[:DEEPEST])
    return float(sum(scores[one] for one in found) / best) if best else 1.0


def percentiles(times: list[tuple[float, float]]) -> dict[str, float]:
    wall, cpu = np.array(times).T * 1000
    return {
        "p50_ms": round(float(np.percentile(wall, 50)), 1),
        "p95_ms": round(float(np.percentile(wall, 95)), 1),
        "cpu_p50_ms": round(float(np.percentile(cpu, 50)), 1),
        "cpu_p95_ms": round(float(np.percentile(cpu, 95)), 1),
    }


def memory_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
