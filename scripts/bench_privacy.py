"""Measures what is found of personal data: on the labelled set, on ordinary chat, and in time.

Ordinary chat is a folder of exports, such as ../shared/data/ubuntu_irc/dev; its lines are never
printed. Patterns are made on one half of the labelled set; the other half is held out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.privacy import PLACEHOLDERS, redact
from scripts.edge import add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from tests.data.personal_data import HELD_OUT, TUNE, Planted, half_of, near_misses, planted

_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chat", nargs="?", type=Path, metavar="DIR", help="ordinary chat")
    parser.add_argument("--lines", type=int, default=10_000, metavar="N", help="of ordinary chat")
    add_json(parser, "print one JSON object")
    arguments = parser.parse_args()
    result: dict[str, Any] = {name: on_labelled(half) for name, half in _HALVES.items()}
    if arguments.chat is not None:
        result["ordinary"] = on_ordinary(read_lines(arguments.chat, arguments.lines))
    result["peak_rss_mb"] = round(peak_rss_mb())
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=1))
    return 0


_HALVES = {"tune": TUNE, "held_out": HELD_OUT}


def is_found(line: Planted) -> bool:
    """Whether nothing of the planted value is left and the words around it are."""
    cleaned = redact(line.text)
    if not (cleaned.startswith(line.before) and cleaned.endswith(line.after)):
        return False
    put = cleaned[len(line.before) : len(cleaned) - len(line.after)]
    return bool(put) and not re.search(r"\w", _PLACEHOLDER.sub("", put))


def is_exact(line: Planted) -> bool:
    """Whether the value's own placeholder stands in its place and nothing else is changed."""
    return redact(line.text) == f"{line.before}[{line.kind}]{line.after}"


def on_labelled(half: str) -> dict[str, Any]:
    """Recall by kind and precision on one half of the labelled set."""
    lines = [line for line in planted() if line.half == half]
    ordinary = [line for line in near_misses() if half_of(line) == half]
    by_kind = Counter(line.kind for line in lines)
    found = [line for line in lines if is_found(line)]
    found_by_kind = Counter(line.kind for line in found)
    falsely = sum(1 for line in ordinary if redact(line) != line)
    return {
        "planted": len(lines),
        "recall": _share(len(found), len(lines)),
        "right_kind": _share(sum(map(is_exact, lines)), len(lines)),
        "recall_by_kind": {k: _share(found_by_kind[k], n) for k, n in by_kind.items()},
        "near_misses": len(ordinary),
        "near_misses_touched": falsely,
        "precision": _share(len(found), len(found) + falsely),
    }


def on_ordinary(lines: Sequence[str]) -> dict[str, Any]:
    """The share of ordinary lines that is touched, by kind, and the time a line takes."""
    for line in lines[:500]:  # libraries are loaded and patterns warm
        redact(line)
    counts: Counter[str] = Counter()
    touched = sum(1 for line in lines if redact(line, counts) != line)
    return {
        "lines": len(lines),
        "touched": touched,
        "touched_share": _share(touched, len(lines)),
        "placeholders": dict(sorted(counts.items())),
        "us_a_line": round(min(_us_a_line(redact, lines) for _ in range(3)), 2),
    }


def read_lines(folder: Path, most: int) -> list[str]:
    """`most` messages drawn from the DiscordChatExporter files (.json, .json.gz) in a folder."""
    lines = []
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.json.gz")]):
        raw = path.read_bytes()
        document = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        lines += [message["content"] for message in document["messages"]]
    return random.Random(0).sample(lines, most) if most < len(lines) else lines


def _us_a_line(change: Callable[[str], str], lines: Sequence[str]) -> float:
    began = time.process_time()
    for line in lines:
        change(line)
    return (time.process_time() - began) / max(1, len(lines)) * 1e6


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
