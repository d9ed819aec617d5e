"""The tray's icon as a picture: a speech bubble in the state's colour, and in it the state's mark.

For the tray's helper process alone: it needs PIL, which the window's process does not import.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

SIZE_PX = 64
_DRAWN_PX = 4 * SIZE_PX
"""Drawn larger and made smaller, which smoothes its edges."""
TILE = "#1b1d21"
WHITE = "#ffffff"


def draw(colour: str, mark: str, *, has_ground: bool) -> Image.Image:
    """RGBA. `has_ground`: a tray without transparency (X11's own) gets a dark tile behind it."""
    image = Image.new("RGBA", (_DRAWN_PX, _DRAWN_PX), TILE if has_ground else (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.polygon(_scaled(18, 40, 34, 50, 16, 61), fill=colour)
    pen.rounded_rectangle(_scaled(4, 6, 60, 52), radius=_DRAWN_PX // 4, fill=colour)
    if mark == "online":
        for x in (20, 32, 44):
            pen.ellipse(_scaled(x - 4, 25, x + 4, 33), fill=WHITE)
    elif mark == "failed":
        pen.rectangle(_scaled(29, 14, 35, 32), fill=WHITE)
        pen.ellipse(_scaled(28, 36, 36, 44), fill=WHITE)
    elif mark == "stopped":
        pen.rectangle(_scaled(23, 20, 41, 38), fill=WHITE)
    else:  # on its way: one dot
        pen.ellipse(_scaled(27, 24, 37, 34), fill=WHITE)
    return image.resize((SIZE_PX, SIZE_PX), Image.Resampling.LANCZOS)


def _scaled(*points: int) -> list[int]:
    return [point * _DRAWN_PX // SIZE_PX for point in points]
