"""Every setting once: name, kind, range, default, unit, help, live or restart, chat command.

Standard library alone. The config table, the !set commands, the window's controls and
docs/settings.md are all made from `SETTINGS`. To add a setting, add one entry here and run `python
scripts/make_settings_doc.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from storage.errors import MynahError
from storage.quiet_hours import FORM, parse_hours

Value: TypeAlias = float | int | bool | str
Kind = Literal["float", "int", "bool", "str", "choice", "ids"]

_TRUE = frozenset({"1", "true", "yes", "on"})
_NUL = re.compile("\0")
_ID = re.compile("[0-9]{1,19}")
_BETWEEN_IDS = re.compile(r"\s*[,;\s]\s*")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_FALSE = frozenset({"0", "false", "no", "off"})


class SettingError(MynahError):
    """A name that no setting has, or a value outside its range; the sentence names the range."""


@dataclass(frozen=True)
class Setting:
    """One setting. `low` and `high` are inclusive: characters of a str, numbers of ids."""

    name: str
    kind: Kind
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    many_lines: bool = False
    """Whether a str may hold line breaks; one that may not holds no control characters at all."""
    is_hours: bool = False
    """Whether a str names hours of the day (storage/quiet_hours.py)."""
    unit: str = ""
    live: bool = True
    """True: counts from the next message on. False: counts after a restart of the bot."""
    command: str | None = None
    """The chat command that sets it, such as "!setrate"."""
    by_channel: bool = False
    """Whether a channel may have a value of its own (`Settings.overlaid`)."""
    environment: str | None = None
    """The environment variable that overrides it, and that the home's .env seeds it from."""

    @property
    def allowed(self) -> str:
        """What may be written, in words: "a number from 0.0 to 1.0"."""
        if self.kind == "bool":
            return "on or off"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.is_hours:
            return FORM
        if self.kind == "str":
            what = "a text" if self.many_lines else "one line"
            return f"{what} of {self.low:.0f} to {self.high:.0f} characters"
        if self.kind == "ids":
            return "an id of digits" if self.high == 1 else "ids of digits, separated by commas"
        what = "a whole number" if self.kind == "int" else "a number"
        unit = f" {self.unit}" if self.unit else ""
        return f"{what} from {_number(self, self.low)} to {_number(self, self.high)}{unit}"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "response_rate",
        "float",
        0.05,
        "How much Mynah takes part unasked: 0 never, 0.05 like a quiet regular, 1 answers every "
        "message. It scales the threshold and the pauses below.",
        low=0.0,
        high=1.0,
        command="!setrate",
        by_channel=True,
    ),
    Setting(
        "speak_threshold",
        "float",
        0.7,
        "How much a message has to concern Mynah before it speaks unasked; lower speaks more. The "
        "response rate scales it: it counts as it stands at the one that Mynah ships with.",
        low=0.0,
        high=1.0,
        command="!setthreshold",
        by_channel=True,
    ),
    Setting(
        "unasked_channel_minutes",
        "int",
        30,
        "How long Mynah waits in a channel before it speaks unasked again, at the response rate "
        "that it ships with; a higher rate shortens it.",
        low=0,
        high=1440,
        unit="minutes",
        by_channel=True,
    ),
    Setting(
        "unasked_member_minutes",
        "int",
        60,
        "The same for one member: how long until Mynah answers them unasked again.",
        low=0,
        high=1440,
        unit="minutes",
        by_channel=True,
    ),
    Setting(
        "unasked_a_day",
        "int",
        20,
        "How often Mynah speaks unasked within 24 hours, at the response rate that it ships with.",
        low=0,
        high=1000,
        unit="times",
    ),
    Setting(
        "attention_seconds",
        "int",
        120,
        "How long after it spoke Mynah takes what directly follows as meant for it.",
        low=0,
        high=600,
        unit="seconds",
        by_channel=True,
    ),
    Setting(
        "lurk",
        "bool",
        False,
        "Whether Mynah only reads along and answers nobody, not even when addressed.",
        by_channel=True,
    ),
    Setting(
        "quiet_hours",
        "str",
        "",
        "Hours of this computer's clock during which Mynah speaks only when addressed, such as "
        "23:00-07:30; several with commas. Empty: none.",
        low=0,
        high=200,
        is_hours=True,
        command="!quiethours",
        by_channel=True,
    ),
    Setting(
        "speaks_in_public",
        "bool",
        False,
        "Whether Mynah speaks at all where others hear it. Off until its owner has seen in a "
        "rehearsal what it would have said.",
    ),
    Setting(
        "rehearsal_channel_id",
        "ids",
        "",
        "A private channel in which Mynah shows its admins what it would have said, to be answered "
        "with a reaction; empty: none.",
        low=0,
        high=1,
    ),
    Setting(
        "delivery",
        "choice",
        "lines",
        "How a reply appears. Lines: line by line, with the pauses of people here. Whole: one "
        "message. Growing: one message that is edited while it is written.",
        choices=("lines", "whole", "growing"),
        by_channel=True,
    ),
    Setting(
        "reacts",
        "bool",
        True,
        "Whether Mynah gives a reaction where a regular would just react.",
        by_channel=True,
    ),
    Setting(
        "links_allowed",
        "str",
        "",
        "Hosts that Mynah may link to, such as wikipedia.org, github.com; a link that somebody "
        "just posted in the channel is always allowed. No others are.",
        low=0,
        high=2000,
    ),
    Setting(
        "persona_file",
        "str",
        "",
        "Which file of the personas folder gives the voice, without its .md; empty: the first that "
        "names the channel, else the style card.",
        low=0,
        high=100,
        by_channel=True,
    ),
    Setting(
        "temperature",
        "float",
        0.7,
        "How freely words are chosen. Low repeats itself, high is lively and slips.",
        low=0.0,
        high=1.0,
        command="!settemp",
    ),
    Setting(
        "max_reply_tokens",
        "int",
        120,
        "The longest reply; it is cut there. A token is about three quarters of an English word.",
        low=50,
        high=500,
        unit="tokens",
        command="!setmaxlen",
    ),
    Setting(
        "persona_name",
        "str",
        "Mynah",
        "The name that the persona goes by in the transcript.",
        low=1,
        high=32,
        live=False,
    ),
    Setting(
        "persona",
        "str",
        "You are {name}, a regular of {server}. You chat like everybody else here: short, casual, "
        "in your own voice.",
        "The first lines of every prompt; {name} and {server} are filled in. As it ships, the "
        "style card's description of how people write here follows it, and a tuned model keeps the "
        "persona that it was trained with. What you write stands alone. A persona file takes its "
        "place.",
        low=1,
        high=4000,
        many_lines=True,
        live=False,
    ),
    Setting(
        "top_p",
        "float",
        0.95,
        "Only the likeliest words that reach this probability together are drawn; 1: off.",
        low=0.05,
        high=1.0,
    ),
    Setting(
        "top_k",
        "int",
        40,
        "Only this many of the likeliest words are drawn from. 0 switches it off.",
        low=0,
        high=1000,
        unit="tokens",
    ),
    Setting(
        "min_p",
        "float",
        0.05,
        "Words less likely than this share of the likeliest are never drawn. 0 switches it off.",
        low=0.0,
        high=0.5,
    ),
    Setting(
        "repeat_penalty",
        "float",
        1.05,
        "How much words that were just used are held back. 1 switches it off.",
        low=1.0,
        high=2.0,
    ),
    Setting(
        "seed",
        "int",
        -1,
        "Draws the same words again for the same prompt. -1 draws anew each time.",
        low=-1,
        high=2**31 - 1,
    ),
    Setting(
        "context_tokens",
        "int",
        2048,
        "How much of the conversation the model sees at once. A model of 3B needs 36 KB a token.",
        low=512,
        high=32768,
        unit="tokens",
        live=False,
    ),
    Setting(
        "threads",
        "int",
        0,
        "Processor threads for the model. 0: measured once for each model on this computer.",
        low=0,
        high=256,
        unit="threads",
        live=False,
    ),
    Setting(
        "model_mmap",
        "bool",
        False,
        "Whether the model's file is mapped instead of read. It loads sooner and shows as more "
        "memory in use, which the system takes back when others need it.",
        live=False,
    ),
    Setting(
        "reading_along",
        "choice",
        "always",
        "When the model reads what is said while nobody waits for a reply, so that the reply then "
        "takes seconds. Mains: not while the computer runs on its battery.",
        choices=("always", "mains", "off"),
    ),
    Setting(
        "reading_share",
        "int",
        100,
        "How much of the time the model may compute while it reads along; less keeps the computer "
        "cooler and falls behind in a busy channel.",
        low=5,
        high=100,
        unit="percent",
    ),
    Setting(
        "reading_pauses_for_games",
        "bool",
        True,
        "Whether reading along pauses while a game or a film fills the screen.",
    ),
    Setting(
        "reading_pauses_for_programs",
        "str",
        "",
        "Programs during which reading along pauses too, separated by commas, such as "
        "obs64.exe, blender.",
        low=0,
        high=1000,
    ),
    Setting(
        "channels_read_along",
        "int",
        3,
        "How many channels the model keeps in mind at once. Each one beyond the first takes memory "
        "as context_tokens does; one that is not kept is read anew when somebody asks there.",
        low=1,
        high=16,
        unit="channels",
        live=False,
    ),
    Setting(
        "reply_seconds",
        "int",
        60,
        "How long one reply may take, from the question on. What is not begun by then is dropped, "
        "what is not finished ends there.",
        low=5,
        high=600,
        unit="seconds",
    ),
    Setting(
        "unload_after_minutes",
        "int",
        0,
        "After how many minutes without a question the model leaves the memory; the next question "
        "loads it again. 0: never.",
        low=0,
        high=10_080,
        unit="minutes",
    ),
    Setting(
        "recall_enabled",
        "bool",
        True,
        "Whether old messages that fit the conversation are recalled into the prompt.",
    ),
    Setting(
        "recall_notes",
        "int",
        2,
        "How many old messages are recalled for one reply, at most.",
        low=0,
        high=8,
        unit="messages",
    ),
    Setting(
        "replies_per_minute_member",
        "int",
        20,
        "How often one member is answered within a minute, at most, however often they ask.",
        low=1,
        high=600,
        unit="replies",
    ),
    Setting(
        "replies_per_minute_channel",
        "int",
        60,
        "How often Mynah speaks in one channel within a minute, at most.",
        low=1,
        high=600,
        unit="replies",
    ),
    Setting(
        "discord_server_id",
        "ids",
        "",
        "The Discord server that Mynah lives on; empty: the only one that it was invited to.",
        low=0,
        high=1,
        live=False,
        environment="DISCORD_SERVER_ID",
    ),
    Setting(
        "discord_channel_ids",
        "ids",
        "",
        "The channels that Mynah reads and answers in, their threads included; empty: none.",
        low=0,
        high=500,
        environment="DISCORD_CHANNEL_IDS",
    ),
    Setting(
        "fetch_every_days",
        "int",
        7,
        "The running bot fetches the listed channels' history by itself when the last complete "
        "fetch is older than this. 0: only when asked.",
        low=0,
        high=365,
        unit="days",
    ),
    Setting(
        "fetch_reconcile_days",
        "int",
        14,
        "How many days of what is known a fetch reads again, back from where the last one ended, "
        "to find edits, reactions and deletions that happened while Mynah was away: one request a "
        "hundred messages. 0: none.",
        low=0,
        high=365,
        unit="days",
    ),
    Setting(
        "admin_user_ids",
        "ids",
        "",
        "Who may give Mynah orders, besides those who may manage the server.",
        low=0,
        high=100,
        environment="ADMIN_USER_IDS",
    ),
    Setting(
        "admin_role_id",
        "ids",
        "",
        "Whoever has this role may give Mynah orders too; empty: no role.",
        low=0,
        high=1,
        environment="ADMIN_ROLE_ID",
    ),
    Setting(
        "training_profile",
        "str",
        "demo",
        "What a training from the window or by !train makes: demo (the small base that ships), "
        "laptop-cpu (a 0.5B model), rtx3070 (a 3B model on a card of 8 GB), or the path of a "
        "profile of your own (docs/training.md).",
        low=1,
        high=500,
    ),
    Setting(
        "consent_mode",
        "choice",
        "retrieval_only",
        "Whose messages a model may be trained on. Retrieval_only: nobody's, they are only "
        "recalled; the sample community alone is learned from. Opt_in: those of members who opted "
        "in, and data packages that members handed over. Declared: those of everybody who has not "
        "opted out. What came from Discord needs a declared ground besides (docs/consent.md).",
        choices=("retrieval_only", "opt_in", "declared"),
        command="!setconsent",
    ),
    Setting(
        "model_path",
        "str",
        "",
        "A GGUF file to answer with instead of the deployed model; empty: the deployed one.",
        low=0,
        high=1000,
        live=False,
        environment="MODEL_PATH",
    ),
    Setting(
        "model_url",
        "str",
        "",
        "An OpenAI-compatible model server to answer with, such as http://127.0.0.1:8080/v1. What "
        "is said in the channels is sent there. Its key, where it wants one, stands in the "
        "environment variable MODEL_API_KEY. Empty: a model on this computer answers.",
        low=0,
        high=1000,
        live=False,
        environment="MODEL_URL",
    ),
    Setting(
        "model_url_name",
        "str",
        "",
        "What the model server calls the model; empty: the first that it lists.",
        low=0,
        high=200,
        live=False,
        environment="MODEL_URL_NAME",
    ),
    Setting(
        "log_level",
        "choice",
        "INFO",
        "How much is written to the log. No level writes messages' words.",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        environment="LOG_LEVEL",
    ),
    Setting(
        "identifies_a_day",
        "int",
        100,
        "How often Mynah may log in to Discord's gateway within 24 hours. Discord takes the token "
        "away at 1,000.",
        low=1,
        high=900,
        unit="logins",
    ),
    Setting(
        "backup_every_days",
        "int",
        7,
        "How many days after the last backup the bot makes the next one by itself. 0: never.",
        low=0,
        high=90,
        unit="days",
    ),
    Setting(
        "backup_daily_kept",
        "int",
        7,
        "Of how many of the newest days that have a backup the last one is kept.",
        low=1,
        high=90,
        unit="days",
    ),
    Setting(
        "backup_weekly_kept",
        "int",
        4,
        "Of how many of the newest weeks that have a backup the last one is kept besides.",
        low=0,
        high=104,
        unit="weeks",
    ),
    Setting(
        "memory_first_lines",
        "int",
        2000,
        "How many of the newest messages get their memory vectors before a first conversation; "
        "the others follow in the background.",
        low=0,
        high=1_000_000,
        unit="messages",
        live=False,
    ),
)

_BY_NAME: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}


def find(name: str) -> Setting:
    """The setting of that name.

    Raises SettingError with the nearest sentence where there is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise SettingError(
            f'There is no setting "{name}"; there are: {", ".join(_BY_NAME)}.'
        ) from None


def parse(setting: Setting, text: str) -> Value:
    """The value that `text` means. Raises SettingError that names the range."""
    stripped = text.strip()
    value = _read(setting, text if setting.kind == "str" else stripped)
    if value is None:
        shown = stripped if len(stripped) <= 60 else stripped[:57] + "..."
        raise SettingError(f'{setting.name} is {setting.allowed}; "{shown}" is not.')
    return value


def to_text(setting: Setting, value: Value) -> str:
    """How the config table keeps `value`: `parse(setting, to_text(setting, value)) == value`.

    Raises SettingError where the value is out of range or of another kind.
    """
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    if isinstance(value, float):
        text = repr(value)
    parse(setting, text)
    return text


class Settings(Mapping[str, Value]):
    """The values of all settings: frozen, complete, each of its kind and within its range."""

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """`values` replace defaults. Raises SettingError for an unknown name or a bad value."""
        merged = {setting.name: setting.default for setting in SETTINGS}
        for name, value in (values or {}).items():
            setting = find(name)
            merged[name] = parse(setting, to_text(setting, value))
        self._values = merged

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Settings({self._values!r})"

    def overlaid(self, rows: Mapping[str, str]) -> Settings:
        """These with a channel's own values (`by_channel` settings, as stored texts) on top.

        A row that cannot be used changes nothing. Never raises.
        """
        values: dict[str, Value] = {}
        for name, text in rows.items():
            try:
                if (setting := find(name)).by_channel:
                    values[name] = parse(setting, text)
            except SettingError:
                continue
        if not values:
            return self
        found = Settings()
        found._values = {**self._values, **values}
        return found

    def number(self, name: str) -> float:
        """The value of a float or int setting."""
        return float(cast(float, self._typed(name, ("float", "int"))))

    def whole(self, name: str) -> int:
        """The value of an int setting."""
        return int(cast(int, self._typed(name, ("int",))))

    def switch(self, name: str) -> bool:
        """The value of a bool setting."""
        return bool(self._typed(name, ("bool",)))

    def text(self, name: str) -> str:
        """The value of a str or choice setting."""
        return str(self._typed(name, ("str", "choice")))

    def ids(self, name: str) -> tuple[int, ...]:
        """The value of an ids setting."""
        text = str(self._typed(name, ("ids",)))
        return tuple(int(one) for one in text.split(",")) if text else ()

    def listed_channels(self) -> tuple[int, ...]:
        """The channels that are read; never the one in which rehearsals are shown."""
        shown = self.ids("rehearsal_channel_id")
        return tuple(one for one in self.ids("discord_channel_ids") if one not in shown)

    def _typed(self, name: str, kinds: tuple[Kind, ...]) -> Value:
        if find(name).kind not in kinds:
            raise TypeError(f"{name} is a {find(name).kind} setting, not one of {kinds}")
        return self._values[name]


def load(rows: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Settings out of the config table's rows, and a warning for each row that could not be used.

    A bad value gives the default; a name that no setting has is left out. Never raises.
    """
    values: dict[str, Value] = {}
    warnings: list[str] = []
    for name, text in rows.items():
        try:
            values[name] = parse(find(name), text)
        except SettingError as error:
            default = f" The default counts: {_BY_NAME[name].default}." if name in _BY_NAME else ""
            warnings.append(f"A stored setting was not used. {error}{default}")
    return Settings(values), warnings


def _read(setting: Setting, text: str) -> Value | None:
    """The value, or None where it is not of the setting's kind or out of its range."""
    if setting.kind == "bool":
        lowered = text.lower()
        return True if lowered in _TRUE else False if lowered in _FALSE else None
    if setting.kind == "choice":
        return text if text in setting.choices else None
    if setting.kind == "ids":
        found = (
            list(dict.fromkeys(_BETWEEN_IDS.split(text.strip(", ")))) if text.strip(", ") else []
        )
        good = all(_ID.fullmatch(one) for one in found) and _within(setting, len(found))
        return ",".join(found) if good else None
    if setting.kind == "str":
        breaks = _NUL if setting.many_lines else _CONTROL
        whole = (text.strip() or setting.low == 0) and not breaks.search(text)
        if setting.is_hours and parse_hours(text) is None:
            return None
        return text if whole and _within(setting, len(text)) else None
    try:
        number = int(text) if setting.kind == "int" else float(text)
    except ValueError:
        return None
    finite = isinstance(number, int) or math.isfinite(number)
    return number if finite and _within(setting, number) else None


def _within(setting: Setting, size: float) -> bool:
    return (setting.low is None or size >= setting.low) and (
        setting.high is None or size <= setting.high
    )


def _number(setting: Setting, bound: float | None) -> str:
    return "any" if bound is None else str(int(bound) if setting.kind == "int" else float(bound))
