"""The report of a training set as a page for people: dataset_report.html, one file, no script.

It is a view of the set and no part of it: the manifest does not name it, so that it can be rendered
anew (after a renaming, after a forgetting) without the set being another one to the models that
learned from it (`storage.manifest.content_hash`). It names the id of each message and member that
it shows; data/forgetting_files.py takes it away as a whole where one of them is erased.

Whatever a member wrote is text here and nothing else: Jinja escapes it, each line is isolated from
the direction of its neighbours, and the page's own policy forbids it to load or run anything.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.report import pictures as pictures
from data.report.advice import MODE_WORDS, Counts, advice
from data.report.examples import choose
from data.report.pictures import KINDS, LINKS, NOT_DRAWN, REPEATS, Figures, part, whole
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import Manifest, read_manifest
from storage.records import community_name

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_FILE = "dataset_report.html"
_REPORT_FILE = "dataset_report.json"
TEMPLATES = Path(__file__).parent / "templates"
_TRAINING, _RATED, _PAIRS = "training_data.jsonl", "kto_data.jsonl", "preference_data.jsonl"
_BY_MODEL = b'"sampled_by": "'
"""In a pair's line, and in no text of it, whose quotes are escaped."""
_TURNS_AROUND = dict.fromkeys(
    (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_LENGTHS = (
    (("lengths", "reply_tokens"), "How long the replies are", "replies", "tokens"),
    (("lengths", "example_tokens"), "How long the examples are", "examples", "tokens"),
    (("lengths", "context_lines"), "How much of the talk they show", "examples", "lines before"),
    (("conversation_sizes",), "How large the conversations are", "conversations", "messages"),
)


class ReportError(MynahError):
    """There is no training set to report on; the sentence says where."""


def render_report(folder: Path, database: Database, *, name: str = "", seed: int = 0) -> Path:
    """Write dataset_report.html into a set's folder, readable for its owner alone; its path.

    To be called once the manifest stands, which does not name the page. `name` is the set's where
    the folder is still being made; `seed` chooses the examples. The same set and the same names
    give the same bytes. Raises ReportError where there is no whole set, OSError.
    """
    manifest = read_manifest(folder)
    if manifest is None or not (folder / _TRAINING).is_file():
        raise ReportError(
            f"{folder} is no complete training set; prepare one: "
            "python scripts/2_prepare_training_data.py"
        )
    page = (
        _environment()
        .get_template("page.html")
        .render(_content(folder, manifest, database, name or folder.name, seed))
    )
    write_private(folder / PAGE_FILE, page)
    return folder / PAGE_FILE


def _content(
    folder: Path, manifest: Manifest, database: Database, name: str, seed: int
) -> dict[str, Any]:
    """What the template is given."""
    report = _figures(folder)
    consent = part(report, "consent")
    names = {str(one.member_id): pictures.short(one.nickname) for one in database.members()}
    channels = {str(one.channel_id): pictures.short(one.name) for one in database.channels()}
    counts = _counts(folder, manifest, report)
    shares = pictures.members(report, names)
    examples = choose(folder / _TRAINING, seed)
    return {
        "name": name,
        "community": community_name(database.channels()),
        "speaker": str(manifest.config.get("persona_name") or "Mynah"),
        "counts": counts,
        "messages_read": whole(part(report, "messages").get("in")),
        "messages_kept": whole(part(report, "messages").get("kept")),
        "member_count": whole(part(report, "members").get("count")),
        "learned_tokens": whole(part(report, "training").get("learned_tokens")),
        "all_tokens": whole(part(report, "training").get("tokens")),
        "mode": str(consent.get("mode") or ""),
        "mode_words": MODE_WORDS.get(str(consent.get("mode")), ""),
        "declared": str(consent.get("declared") or ""),
        "advice": advice(report, counts, shares, name),
        "shares": shares,
        "pictures": _pictures(report, counts),
        "examples": examples,
        "names": names,
        "channels": channels,
    }


def _figures(folder: Path) -> Figures:
    """The report's figures; {} where they were erased."""
    try:
        found = json.loads((folder / _REPORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _counts(folder: Path, manifest: Manifest, report: Figures) -> Counts:
    """By the manifest, which follows what is erased."""
    training, validation = (
        whole(manifest.counts.get(side, part(report, side).get("examples")))
        for side in ("training", "validation")
    )
    rated, pairs = _lines(folder / _RATED), _lines(folder / _PAIRS)
    found = part(report, "preferences")
    prompts = sum(whole(n) for key in ("pairs", "to_sample") for n in part(found, key).values())
    waiting = whole(manifest.counts.get("preference_prompts", prompts - pairs))
    sampled = _lines(folder / _PAIRS, _BY_MODEL)
    return Counts(training, validation, rated, pairs, sampled, waiting)


def _lines(path: Path, with_: bytes = b"\n") -> int:
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(with_ in line for line in file)


def _pictures(report: Figures, counts: Counts) -> dict[str, Any]:
    """By key; None where the report has no figures for it."""
    messages, dropped = part(report, "messages"), part(report, "examples", "dropped")
    unused = {r: n for r, n in dropped.items() if r not in REPEATS and r not in NOT_DRAWN}
    not_drawn = {reason: n for reason, n in dropped.items() if reason in NOT_DRAWN}
    repeated = {reason: n for reason, n in dropped.items() if reason in REPEATS}
    return {
        "activity": pictures.activity(report),
        "consent": pictures.consent(report),
        "preferences": pictures.preferences(report, counts.pairs, counts.sampled, counts.waiting),
        "lengths": [
            drawn
            for path, title, what, unit in _LENGTHS
            if (drawn := pictures.columns(report, *path, title=title, what=what, unit=unit))
        ],
        **{
            key: pictures.bars(key, title, what, figures, words)
            for key, title, what, figures, words in (
                ("drops", "No words to learn from", "messages", messages.get("dropped"), {}),
                ("unused", "No reply to learn", "messages", unused, {}),
                ("repeated", "Said before, so dropped", "replies", repeated, REPEATS),
                ("not_drawn", "Could be learned, and was not drawn", "replies", not_drawn, {}),
                ("links", "How who answers whom was found", "messages", report.get("links"), LINKS),
                (
                    "kinds",
                    "How far back they reach",
                    "examples",
                    report.get("kinds"),
                    KINDS,
                ),
                ("redactions", "Personal data replaced", "places", report.get("redactions"), {}),
                ("reactions", "Reactions", "reactions", report.get("reactions"), {}),
            )
        },
    }


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # late: 10 MB

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_straight,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = pictures.percent
    return made


def _straight(value: Any) -> Any:
    """Without marks of direction: one that is opened and never closed would turn around what stands
    behind it, whatever the page says. No message has any left (data/preprocessor.py), a name may.
    """
    return value.translate(_TURNS_AROUND) if type(value) is str else value


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and its owner's alone: it holds names and what they said."""
    beside = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
