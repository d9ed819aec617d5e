"""Measures what the style card does for a model that was not tuned.

    python scripts/bench_style_card.py --json
    python scripts/bench_style_card.py --exports ../shared/data/ubuntu_irc/dev --model MODEL.gguf

The newest tenth of each channel is held out; the card is made from the rest. Then the mean nats a
token of held-out lines, each in its context, under the default persona alone, with the voice, and
with voice and exchanges; and how much of it the card takes away, with the standard error over
lines. The shorter the context, the less it tells of the place by itself. Nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.conversations import in_true_order
from data.importers.importing import import_paths
from data.preprocessor import CleanMessage, clean
from data.samples.lantern import write_lantern
from data.style.card import StyleCard, make_style_card
from data.style.exchanges import shown_in
from data.whole_persona import joined, serving_persona
from model.chat_format import Own, Said, Tokenizer, Turn, encode, render_example
from model.evaluate import Encoded, gguf_nll
from model.tokenizers import VocabularyFile
from scripts.edge import add_json, ending_in_a_sentence
from storage.database import Database
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import ChannelRecord, Origin, community_name
from storage.settings import Settings

HELD_OUT = 0.1
CONTEXTS = (2, 12)
"""Lines before the held-out one."""
WAYS = ("plain", "voice", "voice and exchanges")


@dataclass(frozen=True)
class Held:
    """A held-out line in its context."""

    channel: ChannelRecord
    turns: tuple[Turn, ...]
    reply: str


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        home = Home(Path(folder)).ensure()
        with Database.open(home.database) as database:
            messages = bring(home, database, arguments.exports)
            card = make_style_card(home, database)
            server = community_name(database.channels())
            channels = {channel.channel_id: channel for channel in database.channels()}
        print(f"{card.voice}\n", file=sys.stderr)
        result: dict[str, Any] = {"model": arguments.model.name, "voice": card.voice}
        with VocabularyFile(arguments.model) as vocabulary:
            tokenizer = vocabulary.tokenizer
            result["voice_tokens"] = len(tokenizer.text_ids(card.voice))
            for lines in CONTEXTS:
                drawn = draw(messages, channels, lines, arguments.lines)
                encodings = {w: encoded(drawn, card, server, w, tokenizer) for w in WAYS}
                key = f"context of {lines} lines"
                result[key] = measure(arguments.model, encodings, arguments.threads)
                print(in_words(key, result[key]))
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--exports", type=Path, nargs="+", metavar="PATH", help="exports instead of The Lantern")
    add("--model", type=Path, default=next(DEMO_BASE_DIR.glob("*.gguf")), help="the base's GGUF")
    add("--lines", type=int, default=400, help="held-out lines (default: 400)")
    add("--threads", type=int, default=1)
    add_json(parser, "end with all figures as one line of JSON")
    return parser.parse_args()


def bring(home: Home, database: Database, exports: Sequence[Path] | None) -> list[CleanMessage]:
    """The history without its newest part in the database; the whole of it is returned."""
    origin = Origin.EXPORT if exports else Origin.SAMPLE
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        files = list(exports) if exports else write_lantern(Path(folder))
        whole = Home(Path(folder) / "home").ensure()
        with Database.open(whole.database) as everything:
            import_paths(everything, files, origin=origin, quarantine=whole.quarantine)
            database.upsert_channels(everything.channels())
            database.upsert_members(everything.members())
            for channel in everything.channels():
                records = list(everything.messages(channel_id=channel.channel_id))
                records.sort(key=lambda r: (r.created_at_ms, r.message_id))
                database.upsert_messages(records[: round(len(records) * (1 - HELD_OUT))])
            people = [m for m in everything.members() if not m.is_bot]
            return in_true_order(clean(everything.messages(), people)[0])


def draw(
    messages: Sequence[CleanMessage],
    channels: dict[int, ChannelRecord],
    context_lines: int,
    count: int,
) -> list[Held]:
    """Held-out lines, the same ones for every context."""
    by_channel: dict[int, list[CleanMessage]] = {}
    for message in messages:
        by_channel.setdefault(message.channel_id, []).append(message)
    places = [
        (channel_id, at)
        for channel_id, lines in sorted(by_channel.items())
        # A little behind the cut, so that also the longest context is held out.
        for at in range(round(len(lines) * (1 - HELD_OUT)) + max(CONTEXTS), len(lines))
    ]
    drawn = sorted(random.Random(0).sample(places, min(count, len(places))))
    return [
        held(by_channel[channel_id][at - context_lines : at + 1], channels[channel_id])
        for channel_id, at in drawn
    ]


def held(lines: Sequence[CleanMessage], channel: ChannelRecord) -> Held:
    *before, last = lines
    turns: list[Turn] = [
        Own(m.text) if m.author_id == last.author_id else Said(m.name, m.text) for m in before
    ]
    return Held(channel, tuple(turns), last.text)


def encoded(
    drawn: Sequence[Held], card: StyleCard, server: str, way: str, tokenizer: Tokenizer
) -> list[Encoded]:
    return [
        encode(
            render_example(persona(one.channel, card, server, way), one.turns, one.reply), tokenizer
        )
        for one in drawn
    ]


def persona(channel: ChannelRecord, card: StyleCard, server: str, way: str) -> str:
    quoted = card.exchanges_for(channel) or shown_in(card.exchanges, (), card.commons)
    return joined(
        serving_persona(
            Settings(),
            name="Mynah",
            server=server,
            voice="" if way == "plain" else card.voice,
            exchanges=quoted if way == "voice and exchanges" else (),
        )
    )


def measure(model: Path, ways: dict[str, list[Encoded]], threads: int) -> dict[str, Any]:
    """For each way the mean nats a token, the prompt's mean tokens, and the difference to plain."""
    scores = {way: gguf_nll(model, rows, threads) for way, rows in ways.items()}
    plain = scores["plain"]
    found: dict[str, Any] = {"lines": len(plain.examples), "tokens": plain.tokens}
    for way, score in scores.items():
        gains = list(differences(plain.examples, score.examples))
        error = statistics.stdev(gains) / math.sqrt(len(gains)) / (plain.tokens / len(gains))
        found[way] = {
            "nats_a_token": round(score.mean, 4),
            "less_than_plain": round(plain.mean - score.mean, 4),
            "standard_error": round(error, 4),
            "prompt_tokens": round(statistics.fmean(len(ids) for ids, _ in ways[way])),
        }
    return found


def differences(plain: Sequence[Any], other: Sequence[Any]) -> Iterator[float]:
    for one, two in zip(plain, other, strict=True):
        yield one.nats - two.nats


def in_words(what: str, found: dict[str, Any]) -> str:
    lines = [f"{what}, {found['lines']} held-out lines, {found['tokens']:,} tokens"]
    for way in WAYS:
        one = found[way]
        lines.append(
            f"    {way:<20} {one['nats_a_token']:.4f} nats a token, "
            f"{one['less_than_plain']:+.4f} less (± {one['standard_error']:.4f}), "
            f"{one['prompt_tokens']} tokens a prompt"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
