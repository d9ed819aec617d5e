"""Scores who answers whom on export folders that have true links, beside thin rules. No home.

    python scripts/bench_conversations.py --exports DIR --links FILE
    python scripts/bench_conversations.py --exports DIR --links FILE --json --out found.tsv

DIR holds JSON exports (.json, .json.gz), one file a channel; FILE lines `message_id<TAB>parent_id`,
where a message that is its own parent starts a conversation. Explicit replies of the exports are
used as truth. Messages that FILE does not name are linked, too, and not scored. --out writes what
was found in the form of FILE. --ranker takes fitted trees other than the shipped ones. --community
fits the ranker to the exports' own explicit replies first.

keys of --json, all but the last two in percent:
  link_p, link_r, link_f      links: precision, recall, F
  vi                          1 - scaled variation of information
  one_to_one                  one-to-one overlap of conversations
  exact_p, exact_r, exact_f   conversations found exactly
  messages                    scored; all messages: "linked"
  messages_per_s              linked, by one core's time (reading files not counted)
  rules                       the same figures of thin rules
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.conversations import fit_community, link
from data.links.lines import read_lines
from data.links.ranker import LinkRanker, load_forests, prior
from data.preprocessor import CleanMessage
from scripts.conversation_score import FIGURES, score
from scripts.edge import add_json, ending_in_a_sentence
from scripts.export_days import read_channels, read_links

REACH_MS = 15 * 60_000
Parents = dict[int, set[int]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exports", type=Path, required=True, metavar="DIR")
    parser.add_argument("--links", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the links that were found")
    parser.add_argument("--ranker", type=Path, metavar="FILE", help="trees (default: the shipped)")
    parser.add_argument("--community", action="store_true", help="learn from explicit replies")
    add_json(parser, "print one JSON object instead of a table")
    arguments = parser.parse_args()
    channels = list(read_channels(arguments.exports).values())
    true = read_links(arguments.links)
    ranker = LinkRanker(load_forests(arguments.ranker)) if arguments.ranker else prior()
    if arguments.community:
        ranker = fit_community(channels, ranker)
    found, seconds = _found(channels, ranker)
    if arguments.out:
        _write(arguments.out, found)
    figures: dict[str, Any] = dict(score(true, found))
    figures["linked"] = sum(map(len, channels))
    figures["messages_per_s"] = figures["linked"] / max(seconds, 1e-9)
    figures["rules"] = {
        name: score(true, _by_rule(channels, name)) for name in ("line before", "addressed or own")
    }
    print(json.dumps(figures) if arguments.json else _table(figures))
    return 0


def _found(channels: Sequence[Sequence[CleanMessage]], ranker: LinkRanker) -> tuple[Parents, float]:
    """The parent of every message, and the processor seconds that finding them took."""
    began = time.process_time()
    links = [one for messages in channels for one in link(messages, ranker).values()]
    seconds = time.process_time() - began
    return {one.message_id: {one.parent_id or one.message_id} for one in links}, seconds


def _write(path: Path, found: Mapping[int, set[int]]) -> None:
    lines = [f"{child}\t{parent}\n" for child, parents in found.items() for parent in parents]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _by_rule(channels: Sequence[Sequence[CleanMessage]], rule: str) -> Parents:
    found: Parents = {}
    for messages in channels:
        parents = _lines_before(messages) if rule == "line before" else _addressed(messages)
        for row, parent in enumerate(parents):
            found[messages[row].message_id] = {messages[parent].message_id}
    return found


def _lines_before(messages: Sequence[CleanMessage]) -> Iterator[int]:
    yield from (max(row - 1, 0) for row in range(len(messages)))


def _addressed(messages: Sequence[CleanMessage]) -> Iterator[int]:
    """An explicit reply's parent; the last line of whom it is addressed to; the own last line; no
    farther back than REACH_MS; else it starts."""
    lines = read_lines(messages)
    last: dict[int, int] = {}
    at, author = lines.at_ms.tolist(), lines.author.tolist()
    for row, (to, reply) in enumerate(zip(lines.to.tolist(), lines.reply.tolist(), strict=True)):
        near = [last[one] for one in (to, author[row]) if one in last]
        near = [one for one in near if at[row] - at[one] <= REACH_MS]
        yield reply if reply >= 0 else near[0] if near else row
        last[author[row]] = row


def _table(figures: Mapping[str, Any]) -> str:
    rows = [("ranked", figures), *figures["rules"].items()]
    told = [" " * 18 + "".join(f"{name:>11}" for name in FIGURES)]
    told += [
        f"{name:18}" + "".join(f"{one[figure]:11.1f}" for figure in FIGURES) for name, one in rows
    ]
    told.append(f"{figures['messages']} messages are scored, {figures['linked']} were linked, ")
    return "\n".join(told) + f"{figures['messages_per_s']:,.0f} a second."


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
