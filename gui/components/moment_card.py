"""Draws one moment of a rehearsal on a canvas: the talk, the draft as a bubble, why, the answers.

Each card is drawn at the top of the canvas and moved to its place afterwards: how high it is, Tk
knows only when the words are wrapped. Tk's thread alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gui import theme
from gui.components.drawn import Drawn
from gui.models.rehearsal_words import NO, TOO_MUCH, YES, answers_for, why_words
from storage.readonly import Moment, Said

PAD = 12
GAP = 5
BETWEEN = 8
"""Pixels between two cards, at 100 %."""
BUBBLE = ("#dfe9fc", "#2c3f63")
BUBBLE_SHARE = 0.82
"""How much of the card's width a bubble may take."""
KEYS = {YES: "1", NO: "2", TOO_MUCH: "3"}
TONES = {YES: theme.GOOD, NO: theme.BAD, TOO_MUCH: theme.WARN}
ON_TONE = ("#ffffff", "#1b1d21")
ANSWER = "answer"
"""Tags of what is pressed: "answer:yes"."""


@dataclass(frozen=True)
class Look:
    """What of a card is not the moment's own."""

    answer: str = ""
    is_stored: bool = True
    is_chosen: bool = False
    has_focus: bool = False
    """Whether keys come to the chosen one."""


class MomentCard:
    """One card's items, all with the tag `tag`."""

    def __init__(self, on: Drawn, tag: str, moment: Moment, look: Look, width: int) -> None:
        """`width` in pixels of the screen."""
        self._on, self._tag, self._moment, self._look = on, tag, moment, look
        self._pad, self._width = on.px(PAD), width
        self._y = self._pad
        frame = on.canvas.create_rectangle(0, 0, 0, 0, tags=tag)
        self._draw_head()
        for line in moment.before:
            self._draw_said(line, "small", theme.MUTED, is_cut=True)
        self._draw_said(moment.asked, "body", theme.TEXT)
        if moment.is_spoken:
            self._draw_bubble()
        self._draw_why()
        self._draw_answers()
        self.height = self._y + self._pad - on.px(GAP)
        """In pixels of the screen."""
        self._frame(frame)

    def _frame(self, frame: int) -> None:
        on, look = self._on, self._look
        edge = on.px(2) if look.is_chosen else 1
        colour = theme.ACCENT if look.has_focus else theme.MUTED
        on.canvas.coords(frame, edge // 2, edge // 2, self._width - edge, self.height - edge)
        on.canvas.itemconfigure(
            frame,
            fill=on.colour(theme.CARD),
            outline=on.colour(colour if look.is_chosen else theme.LINE),
            width=edge,
        )

    # -- its parts --------------------------------------------------------------------------------

    def _draw_head(self) -> None:
        at = datetime.fromtimestamp(self._moment.at_ms / 1000).astimezone()
        words = f"{at:%Y-%m-%d %H:%M}   #{self._moment.channel}"
        self._text(self._pad, words, "small", theme.MUTED)
        self._y += self._on.line_height("small") + self._on.px(GAP)

    def _draw_said(self, line: Said, font: str, colour: Any, *, is_cut: bool = False) -> None:
        """Who and what; the words keep to a column of their own."""
        on = self._on
        name = on.cut(f"{line.name or 'somebody'}:", int(self._width * 0.25), font)
        self._text(self._pad, name, font, theme.MUTED)
        left = self._pad + on.measure(f"{name} ", font)
        room = self._width - left - self._pad
        text = on.cut(" ".join(line.text.split()), room, font) if is_cut else line.text
        self._y = self._bottom(self._text(left, text, font, colour, room)) + on.px(GAP)

    def _draw_bubble(self) -> None:
        on, pad = self._on, self._on.px(10)
        left = self._pad + on.px(24)
        room = int((self._width - left - self._pad) * BUBBLE_SHARE) - 2 * pad
        top = self._y + on.px(GAP)
        self._y = top + on.px(6)
        words = self._text(left + pad, self._moment.draft, "body", theme.TEXT, room)
        box = on.canvas.bbox(words)
        bottom = box[3] + on.px(6)
        bubble = on.canvas.create_polygon(
            *_rounded(left, top, box[2] + pad, bottom, on.px(14)),
            smooth=True,
            fill=on.colour(BUBBLE),
            outline="",
            tags=self._tag,
        )
        on.canvas.tag_lower(bubble, words)
        self._y = bottom + on.px(GAP)

    def _draw_why(self) -> None:
        words = why_words(self._moment)
        if not self._moment.is_spoken and self._moment.verdict != "reply":
            words = f"It kept silent: {words[:1].lower()}{words[1:]}"
        item = self._text(self._pad, words, "small", theme.MUTED, self._width - 2 * self._pad)
        self._y = self._bottom(item) + self._on.px(GAP) * 2

    def _draw_answers(self) -> None:
        on, x = self._on, self._pad
        height = on.line_height("small") + on.px(8)
        for answer, words in answers_for(self._moment).items():
            x = self._draw_answer(x, height, answer, f"{KEYS[answer]}  {words}") + on.px(8)
        if not self._look.is_stored:
            on.draw_text(x, self._y + height // 2, "not stored yet", theme.WARN, "w")
            on.canvas.addtag_withtag(self._tag, on.canvas.find_all()[-1])
        self._y += height + on.px(GAP)

    def _draw_answer(self, x: int, height: int, answer: str, words: str) -> int:
        on, is_given = self._on, answer == self._look.answer
        right = x + on.measure(words, "small") + 2 * on.px(10)
        tags = (self._tag, f"{ANSWER}:{answer}")
        on.canvas.create_polygon(
            *_rounded(x, self._y, right, self._y + height, on.px(6)),
            smooth=True,
            fill=on.colour(TONES[answer] if is_given else theme.CARD),
            outline=on.colour(TONES[answer] if is_given else theme.LINE),
            activefill=on.colour(TONES[answer] if is_given else theme.HOVER),
            tags=tags,
        )
        on.canvas.create_text(
            x + on.px(10),
            self._y + height // 2,
            text=words,
            anchor="w",
            fill=on.colour(ON_TONE if is_given else theme.TEXT),
            font=on.font("small"),
            tags=tags,
            state="disabled",
        )
        return right

    # -- words ------------------------------------------------------------------------------------

    def _text(self, x: int, text: str, font: str, colour: Any, room: int = 0) -> int:
        """At the present height; wrapped where there is a `room`."""
        on = self._on
        options: Mapping[str, Any] = {"width": room, "justify": _side(text)} if room else {}
        return on.canvas.create_text(
            x,
            self._y,
            text=text,
            anchor="nw",
            fill=on.colour(colour),
            font=on.font(font),
            tags=self._tag,
            **options,
        )

    def _bottom(self, item: int) -> int:
        return int(self._on.canvas.bbox(item)[3])


def _side(text: str) -> str:
    """Where its lines begin: by its first letter that has a direction (Unicode's rule P2)."""
    for char in text:
        if (direction := unicodedata.bidirectional(char)) in ("L", "R", "AL"):
            return "left" if direction == "L" else "right"
    return "left"


def _rounded(left: int, top: int, right: int, bottom: int, radius: int) -> tuple[int, ...]:
    """The points of a rounded box for a smooth polygon: doubled ones make the sides straight."""
    r = min(radius, (right - left) // 2, (bottom - top) // 2)
    corners = (
        (left + r, top), (right - r, top), (right, top), (right, top + r),
        (right, bottom - r), (right, bottom), (right - r, bottom), (left + r, bottom),
        (left, bottom), (left, bottom - r), (left, top + r), (left, top),
    )  # fmt: skip
    doubled = {0, 1, 3, 4, 6, 7, 9, 10}
    points = [
        number
        for place, corner in enumerate(corners)
        for number in (corner * 2 if place in doubled else corner)
    ]
    return tuple(points)
