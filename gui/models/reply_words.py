"""A conversation of the playground as text: who said what, and how each reply came about. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gui.models.playground_model import Exchange

Piece = tuple[str, str]
"""Text and its kind: name, own_name, said, reply, silent, detail or bad."""

STAGES = {
    "recalled": "remembering",
    "generated": "writing",
    "guarded": "checking",
}
"""What the stages are called that take time; the others are summed up."""


def pieces_of(exchanges: Sequence[Exchange], side: int, persona: str) -> list[Piece]:
    """One side of the conversation."""
    pieces: list[Piece] = []
    for exchange in exchanges:
        pieces += [("You\n", "own_name"), (exchange.text + "\n", "said")]
        answer = exchange.answers[side] if side < len(exchange.answers) else None
        pieces.append((f"{persona}\n", "name"))
        if answer is None:
            pieces.append(("\u2026\n", "silent"))
        else:
            pieces += _answered(answer)
    return pieces


def _answered(answer: dict[str, Any]) -> list[Piece]:
    if answer.get("error"):
        return [(f"{answer['error']}\n", "bad")]
    reply = answer.get("reply")
    said = (f"{reply}\n", "reply") if reply else ("(says nothing)\n", "silent")
    return [said, *((f"{line}\n", "detail") for line in details_of(answer))]


def details_of(answer: dict[str, Any]) -> list[str]:
    """Why it spoke, what it recalled, tokens and times: a line each."""
    lines = [_why(answer)]
    notes = answer.get("notes") or []
    lines += [f"Recalled: {note}" for note in notes]
    if not notes:
        lines.append("Recalled: nothing")
    lines.append(_took(answer))
    return lines


def _why(answer: dict[str, Any]) -> str:
    verdict, guard = str(answer.get("verdict", "")), str(answer.get("guard", ""))
    why = {"reply": "Spoke", "silent": "Silent"}
    head, _, reason = verdict.partition(": ")
    text = f"{why.get(head, head)}: {reason}" if reason else verdict
    if guard and guard != "allowed":
        text += f"; check: {guard}"
    if answer.get("attempts", 1) > 1:
        text += f"; {answer['attempts']} attempts"
    return text


def _took(answer: dict[str, Any]) -> str:
    total, read = answer.get("prompt_tokens", 0), answer.get("evaluated_tokens", 0)
    timings = answer.get("timings_s") or {}
    named = [(word, timings[stage]) for stage, word in STAGES.items() if stage in timings]
    rest = float(answer.get("total_s", 0.0)) - sum(seconds for _, seconds in named)
    parts = [f"{word} {in_words(seconds)}" for word, seconds in [*named, ("the rest", rest)]]
    known = total - min(read, total)
    return (
        f"Took {in_words(answer.get('total_s', 0.0))} ({', '.join(parts)}): {total} tokens read, "
        f"{known} of them known already, {answer.get('reply_tokens', 0)} written"
    )


def in_words(seconds: float) -> str:
    """A duration for people: 4 ms, 0.8 s, 12 s."""
    if seconds < 0.1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
