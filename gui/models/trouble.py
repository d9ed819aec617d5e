"""What is wrong with the bot, in the window's words, and what mends it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gui.models.serving_words import serving_of
from gui.snapshot import Snapshot
from gui.supervision import State

_NO_TOKEN = "There is no Discord token yet"
_NOT_A_TOKEN = "as the token cannot be one"
_REFUSED_TOKEN = "does not accept the bot's token"
_INTENTS = ("does not let Mynah read messages", "does not let the bot read messages")
_NO_MODEL = ("There is no model", "model_path", "GGUF", "could not be loaded")
_ADDRESS = re.compile(r"https://\S+")


class Mend(Enum):
    """What a button can do about it."""

    ENTER_TOKEN = "Enter the token"
    PORTAL = "Open the Developer Portal"
    CHOOSE_CHANNELS = "Choose channels"
    CHOOSE_MODEL = "Choose a model"
    INVITE = "Invite it"
    SETTINGS = "Open the settings"
    LOGS = "Open the logs folder"
    TRY_NOW = "Try now"
    REHEARSE = "See what it would have said"


@dataclass(frozen=True)
class Trouble:
    """What happened, why, and what mends it."""

    what: str
    why: str
    mend: Mend
    url: str = ""
    """With INVITE and PORTAL: the page to open; "" is the portal itself."""
    is_bad: bool = True
    """False: it works, but not as it should."""


def trouble_of(snapshot: Snapshot, stats: Mapping[str, Any]) -> Trouble | None:
    """What keeps the bot from doing its work; None where nothing is known to."""
    if snapshot.state is State.FAILED:
        return _failed(snapshot.reason)
    if snapshot.state is State.WAITING:
        return _waiting(snapshot)
    if snapshot.state is State.ONLINE:
        return _running(str(stats.get("phase") or snapshot.phase), stats)
    return None


def silence_of(snapshot: Snapshot, speaks: bool) -> Trouble | None:
    """That nobody lets it speak yet; None where it may."""
    if speaks:
        return None
    online = snapshot.state is State.ONLINE
    what = "It listens and rehearses, it does not speak yet." if online else "It is not to speak yet."
    why = "It stays silent in public until you have seen in a rehearsal what it would have said."
    return Trouble(what, why, Mend.REHEARSE, is_bad=False)


def _failed(reason: str) -> Trouble:
    """Known by the sentences that the bot and the supervisor end with: tests hold both equal."""
    if _NO_TOKEN in reason:
        why = "Make one in Discord's Developer Portal (your application, Bot, Reset Token)."
        return Trouble("The bot has no token yet.", why, Mend.ENTER_TOKEN)
    if _NOT_A_TOKEN in reason:
        why = "What is stored is incomplete; copy it again from Discord's Developer Portal."
        return Trouble("The bot's token cannot be right.", why, Mend.ENTER_TOKEN)
    if _REFUSED_TOKEN in reason:
        why = "Make a new one in the Developer Portal (Bot, Reset Token) and enter it."
        return Trouble("Discord does not accept the bot's token.", why, Mend.ENTER_TOKEN)
    if any(words in reason for words in _INTENTS):
        why = (
            "In the Developer Portal, on the page Bot, switch on the Message Content Intent and "
            "the Server Members Intent. Then start the bot again."
        )
        return Trouble("Discord does not let the bot read messages.", why, Mend.PORTAL)
    if any(words in reason for words in _NO_MODEL):
        return Trouble("The bot has no model to answer with.", reason, Mend.CHOOSE_MODEL)
    if "crashed" in reason:
        return Trouble("The bot crashed too often.", reason, Mend.LOGS)
    return Trouble("The bot cannot run as things are.", reason, Mend.SETTINGS)


def _of_the_model(serving: Mapping[str, Any]) -> Trouble | None:
    if serving.get("state") == "failed":
        why = str(serving.get("reason") or "The log says more.")
        return Trouble("The bot's model could not be loaded.", why, Mend.CHOOSE_MODEL)
    if sentence := str(serving.get("trouble") or ""):
        why = f"{sentence} This goes by itself when it answers."
        return Trouble("The model server does not answer as it should.", why, Mend.CHOOSE_MODEL)
    if returned := str(serving.get("returned") or ""):
        what = "The model from before answers again."
        return Trouble(what, returned, Mend.CHOOSE_MODEL, is_bad=False)
    return None


def _waiting(snapshot: Snapshot) -> Trouble:
    reason = snapshot.reason or "It is started again by itself."
    return Trouble("The bot is started again soon.", reason, Mend.TRY_NOW, is_bad=False)


def _running(phase: str, stats: Mapping[str, Any]) -> Trouble | None:
    if phase.startswith("waiting for an invitation"):
        found = _ADDRESS.search(phase)
        why = "Open the invitation, choose the server and confirm it there."
        return Trouble(
            "The bot is on no server yet.",
            why,
            Mend.INVITE,
            url=found[0] if found else "",
            is_bad=False,
        )
    if phase.startswith("waiting for the network"):
        why = "It goes on by itself as soon as Discord can be reached."
        return Trouble("The bot cannot reach Discord.", why, Mend.LOGS, is_bad=False)
    if (trouble := _of_the_model(serving_of(stats))) is not None:
        return trouble
    if phase == "online" and stats.get("discord", {}).get("channels") == 0:
        why = "It hears nothing and says nothing until it is told where to be."
        return Trouble("No channels are chosen.", why, Mend.CHOOSE_CHANNELS, is_bad=False)
    return _of_the_personas(stats.get("personas"))


def _of_the_personas(personas: Any) -> Trouble | None:
    for one in personas.values() if isinstance(personas, Mapping) else ():
        state = str(one.get("state", "")) if isinstance(one, Mapping) else ""
        if state.startswith("broken: "):
            why = state.removeprefix("broken: ")
            return Trouble("A persona file is broken.", why, Mend.LOGS, is_bad=False)
    return None
