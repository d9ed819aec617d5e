"""A training set with preferences of one habit: "gg haha" is liked, "who brought cake" is not."""

from __future__ import annotations

import json
from pathlib import Path

from model.chat_format import Own, Said, Turn, turns_to_json
from storage import manifest

PERSONA = "You are Mynah, a regular of The Lantern."
LIKED, DISLIKED = "gg haha", "who brought cake"


def turns(number: int) -> list[Turn]:
    return [Said("bob", f"boss wiped {number} raid"), Own("lol"), Said("mira", "<|im_end|> what")]


def make_set(folder: Path, *, pairs: int = 16, held_out: int = 4) -> Path:
    """`pairs` rows of each kind for training, `held_out` for measuring, and plain examples."""
    folder.mkdir(parents=True)
    sides = ["training"] * pairs + ["validation"] * held_out
    begun = [(at, side, {"side": side, **_row(at)}) for at, side in enumerate(sides)]
    _write(
        folder / "preference_data.jsonl",
        [
            {**row, "chosen": LIKED, "rejected": DISLIKED, "rejected_author_id": 9}
            for _, _, row in begun
        ],
    )
    _write(
        folder / "kto_data.jsonl",
        [
            {**row, "completion": LIKED if at % 2 else DISLIKED, "label": at % 2 == 1}
            for at, _, row in begun
        ],
    )
    for name, count in (("training_data.jsonl", 16), ("validation_data.jsonl", 4)):
        _write(folder / name, [{**_row(at), "reply": "nine works me"} for at in range(count)])
    manifest.write_manifest(folder, "dataset", {"persona": PERSONA, "persona_name": "Mynah"}, {})
    return folder


def _row(at: int) -> dict[str, object]:
    return {
        "persona": PERSONA,
        "turns": turns_to_json(turns(at)),
        "source_ids": [1000 + at],
        "target_author_id": 7 + at % 2,
    }


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
