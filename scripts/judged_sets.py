"""Sets of replies of which it is known beforehand how they ought to score, for the judge's own
test: real ones, real ones of somebody else, a stock assistant's, and broken ones."""

from __future__ import annotations

import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.conversations import in_true_order
from data.importers.importing import import_paths
from data.preprocessor import CleanMessage, clean
from model.judging.replies import SHOWN_LINES, Reply, in_their_places, like
from scripts.assistant_lines import stock_assistant
from storage.database import Database
from storage.paths import Home
from storage.records import Origin

REAL = "another real sample"
SHUFFLED = "shuffled authors: real replies, each in another's context"
ELSEWHERE = "another community"
ASSISTANT = "a stock assistant"
OTHERS = "shuffled authors: other members in a member's place"


def replies_of(paths: Sequence[Path], origin: Origin) -> list[Reply]:
    """Every usable message of a history as a reply to the lines before it in its channel. Imported
    as a user does, into a database that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="mynah-judged-") as folder:
        home = Home(Path(folder)).ensure()
        with Database.open(home.database) as database:
            import_paths(database, paths, origin=origin, quarantine=home.quarantine)
            people = [one for one in database.members() if not one.is_bot]
            messages = in_true_order(clean(database.messages(), people)[0])
    by_channel: dict[int, list[CleanMessage]] = defaultdict(list)
    found = []
    for message in messages:
        before = by_channel[message.channel_id]
        context = tuple(one.text for one in before[-SHOWN_LINES:])
        if context and before[-1].author_id != message.author_id:
            found.append(Reply(message.text, context, message.author_id))
        before.append(message)
    return found


@dataclass(frozen=True)
class Case:
    """A judgement whose order is known: the sets, and what they are measured by."""

    real: list[Reply]
    further: list[Reply]
    background: list[Reply]
    sets: dict[str, list[Reply]]


def community(own: Sequence[Reply], elsewhere: Sequence[Reply], count: int, seed: int) -> Case:
    """A blend of all members, judged."""
    chance = random.Random(f"case/{seed}")
    mixed = chance.sample(own, len(own))
    real, rest = mixed[:count], mixed[count:]
    other = in_their_places(real, like(real, rest, count, seed))
    left = {id(one) for one in other}
    further = [one for one in rest if id(one) not in left]
    put = _put(real)
    half = count // 2
    lines = [text for text, _ in Counter(one.text for one in further).most_common(5)]
    said = [word for one in further[:3000] for word in one.text.split()]
    letters = "".join(one.text for one in further[:300])
    foreign = chance.sample(elsewhere, count)
    sets = {
        REAL: other,
        SHUFFLED: put([one.text for one in (*real[half:], *real[:half])]),
        ELSEWHERE: put([one.text for one in foreign]),
        ASSISTANT: stock_assistant(real, seed),
        "one line repeated": put([lines[0]] * count),
        "five frequent lines": put([chance.choice(lines) for _ in real]),
        "one word": put([chance.choice(("yes", "lol", "ok", "no")) for _ in real]),
        "nothing at all": put([""] * count),
        "the line before, copied": put([one.context[-1] for one in real]),
        "gibberish of its words": put([_drawn(chance, said, one.text.split()) for one in real]),
        "gibberish of its letters": put(
            ["".join(chance.choice(letters) for _ in one.text) for one in real]
        ),
        "real replies, words shuffled": put([_shuffled(chance, one.text) for one in real]),
    }
    return Case(real, further, list(own), sets)


def member(own: Sequence[Reply], count: int, seed: int) -> Case | None:
    """One member, judged by what they say: another sample of theirs, and what the others say. None
    where nobody says enough."""
    chance = random.Random(f"member/{seed}")
    author, said = Counter(one.author for one in own).most_common(1)[0]
    if said < 4 * count:
        return None
    theirs = chance.sample([one for one in own if one.author == author], said)
    others = chance.sample([one for one in own if one.author != author], count)
    real, other, further = theirs[:count], theirs[count : 2 * count], theirs[2 * count :]
    sets = {REAL: other, OTHERS: _put(real)([one.text for one in others])}
    return Case(real, further, theirs, sets)


def _put(real: Sequence[Reply]) -> Callable[[Sequence[str]], list[Reply]]:
    """Texts in place of the real replies."""
    return lambda texts: [
        Reply(text, one.context, one.author) for text, one in zip(texts, real, strict=True)
    ]


def _drawn(chance: random.Random, said: Sequence[str], like_this: Sequence[str]) -> str:
    return " ".join(chance.choice(said) for _ in like_this)


def _shuffled(chance: random.Random, text: str) -> str:
    words = text.split()
    return " ".join(chance.sample(words, len(words)))
