"""Makes a blind sheet: can people tell a model's replies from members', and do they like them?

Half of the held-out contexts show the model's reply, the other half the member's, each context
once, shuffled. Both go through the same cleaning and the same page. The page says nothing of which
is which: that stands in the key alone. No context that is shown quotes another item's real reply.
"""

from __future__ import annotations

import hashlib
import json
import random
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.chat_format import Note
from model.evaluate import EvaluationError
from model.judging.judge import Asked, written_replies
from model.judging.replies import HELD_OUT_FILE, HeldOut, read_held_out

KEY_KIND = "mynah blind key"
SHOWN_LINES = 8
"""Of a context, the last ones."""
FEWEST = 10
"""Replies of each sort; fewer say nothing."""
_UNSEEN = dict.fromkeys([0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF]) | dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
"""Marks of direction and of nothing; what joins emoji (U+200D) stays."""
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Item:
    """One reply as it is shown."""

    item_id: str
    """Four hexadecimal digits, by chance."""
    asked: HeldOut
    reply: str
    is_bot: bool


@dataclass(frozen=True)
class Sheet:
    """In the order in which they are shown."""

    sheet_id: str
    items: tuple[Item, ...]
    model_sha256: str


def make_sheet(
    asked: Asked, items: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Sheet:
    """So many replies of the model and as many real ones; fewer where the set holds fewer, or the
    model said nothing. The same model, set and seed make the same sheet. Blocking: minutes for a
    large model; `asked.folder` keeps what it wrote, so that it goes on.

    Raises EvaluationError for a set that is too small, GgufError, EngineError, OSError.
    """
    held = list(read_held_out(asked.dataset_dir / HELD_OUT_FILE))
    picked = pick(held, 2 * items, random.Random(f"contexts/{asked.seed}"))
    half = len(picked) // 2
    written, sha256 = written_replies(asked, picked[:half], progress)
    said = [(one, tidy(it.text)) for one, it in zip(picked[:half], written, strict=True)]
    bots = [(one, reply, True) for one, reply in said if reply]
    real = [(one, tidy(one.reply), False) for one in picked[half:]][: len(bots)]
    if len(bots) < FEWEST:
        raise EvaluationError(
            f"{len(held)} held-out replies give a sheet of {len(bots)} of the model's, and it "
            f"takes {FEWEST}: prepare a set of more history."
        )
    return shuffled([*bots, *real], sha256, asked.seed)


def pick(held: Sequence[HeldOut], count: int, chance: random.Random) -> list[HeldOut]:
    """So many of them by chance, none of which shows what was really answered in another."""
    picked: list[HeldOut] = []
    for one in chance.sample(list(held), len(held)):
        if len(picked) == count:
            break
        told = any(_gives_away(one, it) or _gives_away(it, one) for it in picked)
        if tidy(one.reply) and not told:
            picked.append(one)
    return picked


def shuffled(rows: Iterable[tuple[HeldOut, str, bool]], model_sha256: str, seed: int) -> Sheet:
    """By a seed of which a rater knows a part at most: the rest is the set and the model."""
    rows = sorted(rows, key=lambda row: row[0].example_id)
    texts = json.dumps([[one.example_id, reply, is_bot] for one, reply, is_bot in rows])
    secret = hashlib.sha256(f"{seed}/{model_sha256}/{texts}".encode()).hexdigest()
    chance = random.Random(secret)
    numbers = chance.sample(range(1 << 16), len(rows))
    items = [Item(f"{n:04x}", *row) for n, row in zip(numbers, rows, strict=True)]
    chance.shuffle(items)
    return Sheet(hashlib.sha256(secret.encode()).hexdigest()[:12], tuple(items), model_sha256)


def tidy(text: str) -> str:
    """As it is shown, whoever wrote it: composed letters, single blanks, no empty lines, no marks
    that are not seen."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode()).translate(_UNSEEN)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def page(sheet: Sheet, css: str) -> str:
    """The sheet as one HTML file. `css` is the style of the program's reports."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # late: 10 MB

    script = (_TEMPLATES / "blind.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return made.get_template("blind.html").render(
        css=css,
        count=len(sheet.items),
        script=script,
        script_hash=b64encode(digest).decode(),
        sheet=_in_a_page({"sheet": sheet.sheet_id, "items": [_shown(it) for it in sheet.items]}),
    )


def key(sheet: Sheet, version: str | None, dataset: str) -> dict[str, Any]:
    """Which are the model's. With the ids of every message that the sheet quotes, so that
    forgetting finds it."""
    return {
        "kind": KEY_KIND,
        "sheet": sheet.sheet_id,
        "version": version,
        "model_sha256": sheet.model_sha256,
        "dataset": dataset,
        "items": {
            one.item_id: {
                "is_bot": one.is_bot,
                "example": one.asked.example_id,
                "target_author_id": one.asked.author,
                "source_ids": list(one.asked.source_ids),
            }
            for one in sheet.items
        },
    }


def _context(asked: HeldOut) -> list[tuple[str, str]]:
    """The last lines with whose they are; "" where the one who replies said it."""
    spoken = [turn for turn in asked.turns if not isinstance(turn, Note)]
    return [(str(getattr(t, "name", "")), tidy(t.text)) for t in spoken[-SHOWN_LINES:]]


def _gives_away(shows: HeldOut, replied: HeldOut) -> bool:
    """Whether a context quotes a line of another one's real reply, of the same talk."""
    if not set(shows.source_ids) & set(replied.source_ids):
        return False
    lines = {line for _, text in _context(shows) for line in text.splitlines()}
    return bool(lines & set(tidy(replied.reply).splitlines()))


def _shown(one: Item) -> dict[str, Any]:
    return {"id": one.item_id, "lines": _context(one.asked), "reply": one.reply}


def _in_a_page(value: Any) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
