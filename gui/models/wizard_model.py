"""What the setup knows, without a widget: its steps, how far it has come, what was chosen.

How far it has come is kept in the home's data_storage/setup.json, so that it can be left and gone
on with at any step; never the token. What is chosen is kept where it counts: in the settings.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path

from gui.models.wizard_discord import BotAccount
from storage.paths import Home
from storage.settings import Settings

FILE_NAME = "setup.json"
_CHANNELS = re.compile(r"^[ \t]*(?:export[ \t]+)?DISCORD_CHANNEL_IDS[ \t]*=[ \t]*[\"']?\d", re.M)


class StepName(str, Enum):
    """The steps in their order; the value is what stands above them."""

    WELCOME = "Welcome"
    TOKEN = "Token"
    INVITE = "Invite"
    CHANNELS = "Channels"
    ADMINS = "Admins"
    MODEL = "Model"
    REHEARSAL = "Rehearsal"
    FINISH = "Finish"

    @property
    def number(self) -> int:
        """From 1 on."""
        return list(StepName).index(self) + 1

    def moved(self, by: int) -> StepName:
        """The step so many after this one, or before; the first or last where there is none."""
        steps = list(StepName)
        return steps[max(0, min(len(steps) - 1, self.number - 1 + by))]


# -- how far it has come ------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """What is kept of an unfinished setup, and of a finished one for the next time."""

    step: StepName = StepName.WELCOME
    is_done: bool = False
    token_place: str = ""
    """Where the token is kept: "the keyring", or a file; "" as long as there is none."""
    account: BotAccount | None = None
    server_name: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    """Of channels and people by id, for the summary."""
    model_name: str = ""
    rehearses_later: bool = False
    """Whether its owner chose to have it listen in silence first."""

    @property
    def is_token_good(self) -> bool:
        """Whether there is a token with all that it needs switched on."""
        return bool(self.token_place) and self.account is not None and not self.account.missing

    @property
    def is_token_lacking(self) -> bool:
        """Whether there is no token, as far as is known, or one without what it needs."""
        return not self.token_place or (self.account is not None and bool(self.account.missing))

    def furthest(self, settings: Settings, is_online: bool = False) -> StepName:
        """The last step that may be opened: the others need what is not there yet.

        The token of a bot that `is_online` is good; that of a bot with channels, which was set up
        by .env perhaps, is taken for good until Discord says what it lacks.
        """
        listed = settings.ids("discord_channel_ids")
        is_taken_for_good = is_online or (bool(listed) and self.account is None)
        if not self.is_token_good and not is_taken_for_good:
            return StepName.TOKEN
        if not listed:
            return StepName.CHANNELS
        is_settled = self.rehearses_later or settings.switch("speaks_in_public")
        return StepName.FINISH if is_settled else StepName.REHEARSAL

    def named(self, names: Mapping[int, str]) -> Progress:
        """With these names remembered too."""
        return replace(self, names={**self.names, **names})


def load(home: Home) -> Progress:
    """What was kept; a fresh start where there is nothing, or nothing usable. Reads a file."""
    try:
        kept = json.loads(_file(home).read_text(encoding="utf-8"))
        account = kept["account"]
        return Progress(
            step=StepName(kept["step"]),
            is_done=bool(kept["is_done"]),
            token_place=str(kept["token_place"]),
            account=BotAccount(**account) if account else None,
            server_name=str(kept["server_name"]),
            names={int(one): str(name) for one, name in kept["names"].items()},
            model_name=str(kept["model_name"]),
            rehearses_later=bool(kept.get("rehearses_later")),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Progress()


def save(home: Home, progress: Progress) -> None:
    """Keep it, the file whole at every moment. Raises OSError."""
    path = _file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    text = json.dumps(asdict(progress), ensure_ascii=False, indent=1)
    beside.write_text(text + "\n", encoding="utf-8")
    os.replace(beside, path)  # noqa: PTH105


def needs_setup(home: Home, settings: Settings) -> bool:
    """Whether the window opens on Setup: no channel is listed yet, or the setup was left at the
    token, without one that will do.

    Reads two small files. A token in the keyring is not looked for, which would need a process; one
    that is missing is said by the bot itself.
    """
    listed = settings.ids("discord_channel_ids") or os.environ.get("DISCORD_CHANNEL_IDS", "")
    if not listed and not _listed_in_env_file(home):
        return True
    kept = load(home)
    return kept.step is StepName.TOKEN and not kept.is_done and kept.is_token_lacking


def _listed_in_env_file(home: Home) -> bool:
    """Whether the bot will take channels from .env at its first start."""
    try:
        return bool(_CHANNELS.search(home.env_file.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError):
        return False


def _file(home: Home) -> Path:
    return home.data_storage / FILE_NAME


SPEAKS = "in public, as you have seen in the rehearsal"
LISTENS = "not yet: it listens in silence until you have seen what it would have said"

# -- the end ------------------------------------------------------------------------------------


def summary(progress: Progress, settings: Settings) -> list[tuple[str, str, StepName]]:
    """What was chosen: a name, its value, and the step that changes it."""
    account = progress.account.name if progress.account else "not checked yet"
    channels = _named(settings.ids("discord_channel_ids"), progress.names, "#")
    anyway = "whoever may manage the server"
    named = _named(settings.ids("admin_user_ids"), progress.names, "")
    admins = f"{named}, and {anyway}" if named else anyway
    path = settings.text("model_path")
    model = Path(path).name if path else progress.model_name or "the small base"
    speaks = SPEAKS if settings.switch("speaks_in_public") else LISTENS
    return [
        ("Bot", account, StepName.TOKEN),
        ("Server", progress.server_name or "not chosen yet", StepName.CHANNELS),
        ("Channels", channels or "none yet", StepName.CHANNELS),
        ("Admins", admins, StepName.ADMINS),
        ("Model", model, StepName.MODEL),
        ("Speaks", speaks, StepName.REHEARSAL),
    ]


def _named(ids: Iterable[int], names: Mapping[int, str], mark: str, most: int = 6) -> str:
    called = [f"{mark}{names[one]}" if one in names else str(one) for one in ids]
    more = len(called) - most
    return ", ".join(called[:most]) + (f" and {more} more" if more > 0 else "")


_COMMAND = re.compile(r" and store it with: python scripts/\S+( \w+)?")


def without_commands(reason: str) -> str:
    """What the bot says, without the commands for a terminal: the window has buttons."""
    return _COMMAND.sub("", reason).rstrip(".") + "." if reason else ""


_MENDING = (
    (("token", "intent"), StepName.TOKEN),
    (("server", "invite"), StepName.CHANNELS),
    (("channel",), StepName.CHANNELS),
    (("model", "gguf"), StepName.MODEL),
)


def step_that_mends(reason: str) -> StepName | None:
    """Where what the bot says it cannot start for is put right; None where no step does that."""
    said = reason.casefold()
    for words, step in _MENDING:
        if any(word in said for word in words):
            return step
    return None


def size_in_words(size_bytes: float) -> str:
    """Such as "3.8 MB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 1e3:.0f} KB"
