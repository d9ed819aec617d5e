"""A blind sheet as files, and what its raters found kept: for 4_evaluate_personality.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.forgetting import alone
from data.report.page import TEMPLATES, write_private
from model.evaluate import EvaluationError
from model.judging.blind import key, make_sheet, page
from model.judging.blind_answers import Key, incomplete, read_key, read_raters
from model.judging.blind_score import DETECTED_BELOW, Found, figures, score
from model.judging.card import with_people
from model.judging.judge import Asked
from scripts.events import Events
from storage.database import Database
from storage.gates import PEOPLE
from storage.manifest import write_text_atomically
from storage.model_registry import ModelRegistry
from storage.paths import Home

FOLDER = "blind"
"""In that of a version's evaluation: forgetting takes both away together."""


def write_sheet(
    home: Home,
    asked: Asked,
    items: int,
    version: str | None,
    out: str,
    events: Events,
    refuse_erased: Callable[[], None],
) -> dict[str, Any]:
    """Make a sheet and its key; the key into `asked.folder`, and the sheet where `out` is "".

    Raises MynahError, OSError.
    """
    if out and (Path(out).is_dir() or not Path(out).absolute().parent.is_dir()):
        raise EvaluationError(f"{out} cannot be written: name a file in a folder that there is.")
    asked.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    events.begin("replies")
    with tqdm(desc="replies", file=sys.stderr, unit="", leave=False, disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            events.progress("replies", step=done, steps=total, is_last=done == total)

        sheet = make_sheet(asked, items, show)
    key_path = asked.folder / f"key-{sheet.sheet_id}.json"
    path = Path(out) if out else asked.folder / f"sheet-{sheet.sheet_id}.html"
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    with alone(home):
        refuse_erased()
        text = json.dumps(key(sheet, version, asked.dataset_dir.name), indent=1)
        write_private(key_path, text + "\n")
        write_private(path, page(sheet, css))
    return {
        "sheet": str(path),
        "key": str(key_path),
        "id": sheet.sheet_id,
        "bot": sum(one.is_bot for one in sheet.items),
        "real": sum(not one.is_bot for one in sheet.items),
        "is_kept_by_home": home.evaluations.resolve() in path.resolve().parents,
    }


def sheet_in_words(result: dict[str, Any], wanted: int) -> str:
    """What was made, and what its sending means."""
    few = (
        ""
        if result["bot"] == wanted
        else f" ({wanted} of each were asked for, and the set gives no more)"
    )
    lines = [
        f"{result['bot']} of the model's replies and {result['real']} real ones{few}.",
        f"The sheet, for the raters: {result['sheet']}",
        f"The key, for you alone: {result['key']}",
        "The sheet quotes members (only those who may be learned from, personal data replaced). "
        "Sent, it has left this computer, and forgetting reaches no copy: give it to members whom "
        "you trust, and ask them to delete it. Whoever read report.html is no blind rater.",
        "Then: python scripts/4_evaluate_personality.py --blind-score KEY.json ANSWERS.json...",
    ]
    if not result["is_kept_by_home"]:
        lines.insert(3, "That place forgetting does not reach: delete it yourself.")
    return "\n".join(lines)


def score_answers(home: Home, database: Database, files: Sequence[Path]) -> dict[str, Any]:
    """The key, then what raters handed in; recorded where the version is still known. Raises
    EvaluationError."""
    if len(files) < 2:
        raise EvaluationError("Name the key, then the files that the raters handed in.")
    known = read_key(files[0])
    raters = read_raters(files[1:], known)
    for one in raters:
        if said := incomplete(one, known):
            print(said, file=sys.stderr)
    found = score(known, raters)
    result = {"passed": found.passed, "version": known.version, **figures(found)}
    return {**result, "is_recorded": _record(home, database, known, found, result)}


def score_in_words(result: dict[str, Any]) -> str:
    """The figures for people."""
    rubric, agreement = result["rubric"], result["agreement"]
    verdict = "reached" if result["passed"] else "not reached"
    lines = [
        f"{result['said']}. The aim is {verdict}.",
        f"  Wilson, as if all answers were independent: {_share(result['wilson'])}",
    ]
    if result["by_rater"]:
        each = ", ".join(f"{one:.0%}" for one in result["each"])
        lines.append(f"  By raters (bootstrap): {_share(result['by_rater'])}; each: {each}")
    lines.append(
        f"  The model's called a bot's: {result['sensitivity']:.0%}; members' called members': "
        f"{result['specificity']:.0%}; d' {result['d_prime']:.2f}"
    )
    for name, title in (
        ("sounds", "Sounds like us"),
        ("fits", "Fits what was said"),
        ("mind", "Would not be minded"),
        ("all", "All three"),
    ):
        own, real = (rubric[sort][name] for sort in ("bot", "real"))
        agreed = agreement.get(name)
        lines.append(
            f"  {title}: {_mean(own)}, members {_mean(real)}"
            + ("" if agreed is None else f"; agreement {agreed:.2f}")
        )
    if agreement["guess"] is not None:
        lines.append(f"  Agreement on whose it is: {agreement['guess']:.2f} (Krippendorff's alpha)")
    if not result["is_recorded"]:
        lines.append("Not kept: the model that was asked about is no version of this home.")
    return "\n".join(lines)


def _record(
    home: Home, database: Database, known: Key, found: Found, result: dict[str, Any]
) -> bool:
    """Into the registry, and into the model card that there is."""
    registry = ModelRegistry(database, home)
    asked = (known.version, known.model_sha256)
    version = next((v for v in registry.list() if (v.version_id, v.sha256) == asked), None)
    if version is None:
        return False
    registry.record_evaluation(
        version.version_id,
        PEOPLE,
        round(100 * found.detected, 2),
        100 * DETECTED_BELOW,
        found.passed,
        result,
    )
    card = home.evaluations / version.version_id / "model_card.md"
    if card.is_file():
        text = card.read_text(encoding="utf-8")
        write_text_atomically(card, with_people(text, found.said))
    return True


def _share(interval: Sequence[float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def _mean(one: dict[str, Any]) -> str:
    low, high = one["interval"]
    return f"{one['mean']:.2f} ({low:.2f} to {high:.2f})"
