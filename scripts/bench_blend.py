"""Measures what decides among candidates: duplicates (data/duplicates.py) and the blend.

Each stage runs in a process of its own, so that its memory is its own. With a folder of exports its
lines are the replies, and what goes as a near-duplicate is held against exact Jaccard similarities;
no line is printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from data import duplicates
from data.blend import blend
from data.duplicates import Duplicates
from scripts.bench_privacy import read_lines
from scripts.edge import add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb

KEYS = """\
keys of --json (MB are 10^6 bytes):
  duplicates:  candidates, long, add_seconds, drop_seconds, peak_mb, started_mb, dropped by reason;
               started_mb with NumPy, SciPy and datasketch loaded; a synthetic history says again
               2% of its long replies as they are and 5% with one word changed
  blend:       candidates, seconds, peak_mb, started_mb (with the columns), and the report's figures
  exact:       of what goes as a near-duplicate, the share that has a kept one at 0.8 or above
               (precision; at_0_75: at 0.75), and the share of such that goes (recall); with DIR

examples:
  python scripts/bench_blend.py --candidates 1000000
  python scripts/bench_blend.py ../shared/data/ubuntu_irc/train
"""
_SAMPLE = 2_000
_AT_A_TIME = 200


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=KEYS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chat", nargs="?", type=Path, metavar="DIR", help="a folder of exports")
    parser.add_argument("--candidates", type=int, default=1_000_000, metavar="N")
    add_json(parser, "print one JSON object")
    arguments = parser.parse_args()
    chat, count = arguments.chat, arguments.candidates
    result = {"duplicates": _alone(on_duplicates, chat, count)}
    if chat is None:
        result["blend"] = _alone(on_blend, count)
    else:
        result["exact"] = _alone(on_exact, chat)
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=1))
    return 0


def _alone(stage: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(stage, *arguments).result()


def on_duplicates(chat: Path | None, count: int) -> dict[str, Any]:
    """Seconds and memory to add the replies and to say which go."""
    lines = synthetic(count) if chat is None else iter(read_lines(chat, sys.maxsize))
    Duplicates().add("one two three four five six seven eight", ())
    found, started_mb, seconds = Duplicates(), peak_rss_mb(), 0.0
    last = ["", ""]
    for line in lines:
        began = time.perf_counter()
        found.add(line, last)
        seconds += time.perf_counter() - began
        last = [last[1], line]
    order, sides = _order(len(found)), np.zeros(len(found), np.uint8)
    began = time.perf_counter()
    codes = found.drops(order, sides)
    drop_seconds = time.perf_counter() - began
    counts = np.bincount(codes, minlength=len(duplicates.REASONS)).tolist()
    return {
        "candidates": len(found),
        "long": found.long_ones,
        "add_seconds": round(seconds, 1),
        "drop_seconds": round(drop_seconds, 1),
        "started_mb": round(started_mb),
        "peak_mb": round(peak_rss_mb()),
        "dropped": dict(zip(duplicates.REASONS[1:], counts[1:], strict=True)),
    }


def on_blend(count: int) -> dict[str, Any]:
    """Seconds and memory to draw: 200 members by Zipf's law, each with their own time of day."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 201) ** 1.3
    members = rng.choice(200, count, p=shares / shares.sum()).astype(np.int32)
    hours = (rng.integers(0, 24, 200)[members] + rng.normal(0, 4, count)).astype(np.int64) % 24
    hours += 24 * rng.integers(0, 7, count)
    reactions = rng.poisson(0.3, count).astype(np.int16)
    columns = (members, hours.astype(np.uint8), rng.random(count) < 0.7, reactions)
    started_mb = peak_rss_mb()
    began = time.perf_counter()
    report = blend(*columns, seed=0).report
    seconds = time.perf_counter() - began
    figures = {key: report[key] for key in ("kept", "gave_way", "conversational")}
    return {
        "candidates": count,
        "seconds": round(seconds, 2),
        "started_mb": round(started_mb),
        "peak_mb": round(peak_rss_mb()),
        **figures,
        "hours_moved": report["hours"]["moved"],
    }


def on_exact(chat: Path) -> dict[str, Any]:
    """Near-duplicates against exact Jaccard similarities, by samples of what goes and stays."""
    found, words = Duplicates(), []
    lines = [line for line in read_lines(chat, sys.maxsize) if duplicates.is_long(line)]
    for at, line in enumerate(lines):
        found.add(line, [str(at)])  # no line is an exact duplicate: all are near ones
        words.append(set(duplicates.words_of(line)))
    order = _order(len(lines))
    goes = found.drops(order, np.zeros(len(lines), np.uint8)) == duplicates.NEAR_DUPLICATE
    rng = np.random.default_rng(1)
    gone = rng.permutation(np.flatnonzero(goes))[:_SAMPLE]
    kept = rng.permutation(np.flatnonzero(~goes))[: 10 * _SAMPLE]
    likeness = nearest(words, np.concatenate([gone, kept]), order, ~goes)
    missed = float((likeness[len(gone) :] >= duplicates.ALIKE).mean()) * int((~goes).sum())
    right = float((likeness[: len(gone)] >= duplicates.ALIKE).mean())
    return {
        "long": len(lines),
        "near_duplicates": int(goes.sum()),
        "precision": round(right, 3),
        "precision_at_0_75": round(float((likeness[: len(gone)] >= 0.75).mean()), 3),
        "recall": round(right * int(goes.sum()) / (right * int(goes.sum()) + missed), 3),
    }


def nearest(
    words: list[set[str]], rows: NDArray[Any], order: NDArray[np.uint64], kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The highest exact Jaccard similarity of each row with a kept one that comes before it."""
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    columns = [numbers.setdefault(word, len(numbers)) for own in words for word in own]
    ends = np.concatenate([[0], np.cumsum([len(own) for own in words])])
    shape = (len(words), len(numbers))
    table = csr_matrix((np.ones(len(columns), np.int32), columns, ends), shape)
    sizes, turned = np.diff(ends), table.T.tocsr()
    best = np.zeros(len(rows))
    for start in range(0, len(rows), _AT_A_TIME):
        own = rows[start : start + _AT_A_TIME]
        shared = (table[own] @ turned).tocoo()
        here, there = own[shared.row], shared.col
        likeness = shared.data / (sizes[here] + sizes[there] - shared.data)
        counts = kept[there] & (order[there] < order[here])
        np.maximum.at(best, start + shared.row[counts], likeness[counts])
    return best


def synthetic(count: int) -> Iterator[str]:
    """Replies of 1 to 25 words by Zipf's law, half of them long."""
    rng = random.Random(0)
    vocabulary = [f"w{number}" for number in range(50_000)]
    bounds = np.cumsum(1 / np.arange(1, len(vocabulary) + 1)).tolist()
    earlier: list[list[str]] = []
    for _ in range(count):
        is_long = rng.random() < 0.5
        words = rng.choices(
            vocabulary, cum_weights=bounds, k=rng.randint(8, 25) if is_long else rng.randint(1, 7)
        )
        how = rng.random()
        if is_long and earlier and how < 0.07:
            words = list(rng.choice(earlier))
            if how < 0.05:
                words[rng.randrange(len(words))] = f"n{rng.randrange(10**6)}"
        elif is_long and len(earlier) < 20_000:
            earlier.append(words)
        yield " ".join(words)


def _order(count: int) -> NDArray[np.uint64]:
    return np.random.default_rng(0).integers(0, 1 << 64, count, dtype=np.uint64, endpoint=False)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
