"""Buttons and files as Discord wants them. A button's id is the order that it gives.

So the buttons of every message that was ever posted go on working, whatever restarts: nothing is
kept about them. Views are stopped at once, for discord.py would remember each one and call it.
Called from the event loop's thread.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import discord

from bot.order_values import Button, File

_MARK = "mynah"
_LOOKS = {
    "plain": discord.ButtonStyle.secondary,
    "good": discord.ButtonStyle.success,
    "danger": discord.ButtonStyle.danger,
}


def custom_id(button: Button) -> str:
    """At most 100 characters, says Discord."""
    return f"{_MARK}:{button.order}:{button.argument}"


def order_in(custom_id: str) -> tuple[str, str] | None:
    """(name, argument) of the order that a pressed button gives; None: none of ours."""
    mark, _, rest = custom_id.partition(":")
    name, colon, argument = rest.partition(":")
    return (name, argument) if mark == _MARK and colon else None


def extras(buttons: Sequence[Button], file: File | None) -> dict[str, Any]:
    """What `send` and `send_message` of discord.py are called with besides the text. Anew for each
    attempt: a file is read once."""
    made: dict[str, Any] = {}
    if buttons:
        made["view"] = _view(buttons)
    if file is not None:
        made["file"] = _file(file)
    return made


def instead(buttons: Sequence[Button], file: File | None) -> dict[str, Any]:
    """The same for an edit: the message has these then, and no others."""
    return {
        "view": _view(buttons) if buttons else None,
        "attachments": [_file(file)] if file is not None else [],
    }


def _view(buttons: Sequence[Button]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for one in buttons:
        view.add_item(
            discord.ui.Button(label=one.label, style=_LOOKS[one.look], custom_id=custom_id(one))
        )
    view.stop()
    return view


def _file(file: File) -> discord.File:
    return discord.File(io.BytesIO(file.content), filename=file.name)
