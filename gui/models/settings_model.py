"""What the settings page shows and what was changed there and is not saved yet. No widget.

Everything comes from `storage.settings.SETTINGS`; here are only the groups and the names in words.
A setting that no group names is in the last one, so that a new one is never lost. Tk's thread
alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from storage.settings import SETTINGS, Setting, SettingError, Settings, Value, find, parse, to_text

OTHER = "Other"
ELSEWHERE = frozenset({"speaks_in_public"})
"""Not on the page: the rehearsal's own page turns it on, once its owner has seen one."""
MOST_STEPS = 1_440
"""Of a slider: a day has so many minutes."""
WIDE_STEP = 512
"""For ranges of up to 40,000; what is wider has no slider."""
_MOST_WIDE = 40_000


@dataclass(frozen=True)
class Group:
    """Settings that stand together, and what to call them in words."""

    title: str
    names: Mapping[str, str]


GROUPS: tuple[Group, ...] = (
    Group(
        "Answering",
        {
            "response_rate": "Answers unasked",
            "max_reply_tokens": "Longest reply",
            "speak_threshold": "Concern needed to speak",
            "unasked_channel_minutes": "Pause in a channel",
            "unasked_member_minutes": "Pause for a member",
            "unasked_a_day": "Unasked, a day",
            "attention_seconds": "Attention after it spoke",
            "lurk": "Only reads along",
            "quiet_hours": "Quiet hours",
            "rehearsal_channel_id": "Rehearsal channel",
            "replies_per_minute_member": "Replies to one member",
            "replies_per_minute_channel": "Replies in one channel",
        },
    ),
    Group(
        "Manner",
        {
            "delivery": "How a reply appears",
            "reacts": "Reacts with emoji",
            "links_allowed": "Hosts it may link to",
        },
    ),
    Group(
        "Choice of words",
        {
            "temperature": "Liveliness",
            "repeat_penalty": "Holding back repeats",
            "top_p": "Likeliest words together",
            "top_k": "Likeliest words, at most",
            "min_p": "Unlikely words left out",
            "seed": "Seed",
        },
    ),
    Group(
        "Persona",
        {"persona_name": "Name", "persona": "Who it is", "persona_file": "File of the persona"},
    ),
    Group(
        "Model",
        {
            "model_path": "Model file",
            "model_url": "Model server",
            "model_url_name": "Its model's name",
            "context_tokens": "Conversation in view",
            "threads": "Processor threads",
            "model_mmap": "Map the model's file",
            "unload_after_minutes": "Leave the memory after",
        },
    ),
    Group(
        "Reading along",
        {
            "reading_along": "Read along",
            "reading_share": "Share of the processor",
            "channels_read_along": "Channels kept in mind",
            "reading_pauses_for_games": "Pause for games and films",
            "reading_pauses_for_programs": "Pause for these programs",
            "reply_seconds": "Longest time for a reply",
        },
    ),
    Group(
        "Memory",
        {
            "recall_enabled": "Recall old messages",
            "recall_notes": "Recalled for a reply",
            "memory_first_lines": "Prepared at the start",
        },
    ),
    Group(
        "Discord",
        {
            "discord_server_id": "Server",
            "discord_channel_ids": "Channels",
            "admin_user_ids": "Admins",
            "admin_role_id": "Admin role",
            "identifies_a_day": "Logins a day",
            "fetch_every_days": "Fetch the history every",
            "fetch_reconcile_days": "Read again at a fetch",
        },
    ),
    Group("Consent", {"consent_mode": "Who is learned from"}),
    Group("Training", {"training_profile": "Profile"}),
    Group(
        "Backups",
        {
            "backup_every_days": "Back up every",
            "backup_daily_kept": "Kept, one a day",
            "backup_weekly_kept": "Kept, one a week",
        },
    ),
    Group("Logs", {"log_level": "How much is logged"}),
)


def groups() -> tuple[Group, ...]:
    """Those above, and one for what they leave out, where there is such."""
    named = {name for group in GROUPS for name in group.names}
    rest = {
        setting.name: _in_words(setting.name)
        for setting in SETTINGS
        if setting.name not in named | ELSEWHERE
    }
    return (*GROUPS, Group(OTHER, rest)) if rest else GROUPS


def label_of(name: str) -> str:
    """A setting's name in words."""
    return next((one.names[name] for one in GROUPS if name in one.names), _in_words(name))


@dataclass(frozen=True)
class Range:
    """What a slider goes through."""

    low: float
    high: float
    step: float

    def written(self, value: float) -> str:
        """The nearest step as `parse` reads it."""
        value = self.low + round((value - self.low) / self.step) * self.step
        value = min(max(value, self.low), self.high)
        return f"{value:.2f}".rstrip("0").rstrip(".") if self.step < 1 else str(round(value))


def range_of(setting: Setting) -> Range | None:
    """The slider's range; None where the setting is no number, or has too many values for one."""
    if setting.kind not in ("float", "int") or setting.low is None or setting.high is None:
        return None
    span = setting.high - setting.low
    if setting.kind == "float":
        return Range(setting.low, setting.high, 0.01)
    if span <= MOST_STEPS:
        return Range(setting.low, setting.high, 1)
    return Range(setting.low, setting.high, WIDE_STEP) if span <= _MOST_WIDE else None


def tooltip_of(setting: Setting) -> str:
    """What it is about, what is allowed, its default, and who else may set it."""
    default = shown(setting, setting.default) or "empty"
    lines = [setting.help, f"Allowed: {setting.allowed}.", f"Default: {default}"]
    if setting.command:
        lines.append(f"In the chat: {setting.command}")
    return "\n".join(lines)


def shown(setting: Setting, value: Value) -> str:
    """A value as it stands in its field."""
    return to_text(setting, value)


class SettingsModel:
    """What is stored, and what was changed since."""

    def __init__(self, stored: Settings, environment: Mapping[str, str] | None = None) -> None:
        """`environment` (default: this process's own) is what a bot inherits that we start."""
        self._stored: dict[str, Value] = dict(stored)
        self._typed: dict[str, str] = {}
        self._environment = os.environ if environment is None else environment

    def take(self, stored: Settings) -> None:
        """What is stored has changed, by whomever. What was typed here stays."""
        self._stored = dict(stored)
        self._typed = {
            name: text for name, text in self._typed.items() if self._differs(name, text)
        }

    # -- one setting ----------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """What its field shows."""
        return self._typed.get(name, shown(find(name), self._stored[name]))

    def change(self, name: str, text: str) -> None:
        """The user typed (or dragged) this."""
        self._typed.pop(name, None)
        if self._differs(name, text):
            self._typed[name] = text

    def problem(self, name: str) -> str:
        """Why what is typed cannot be saved, as a sentence; "" where it can."""
        try:
            self._value(name)
        except SettingError:
            return f"This has to be {find(name).allowed}."
        return ""

    def is_default(self, name: str) -> bool:
        """Whether its field shows the default."""
        return not self.problem(name) and self._value(name) == find(name).default

    def overridden(self, name: str) -> str:
        """A sentence where an environment variable counts instead; "" where none does."""
        variable = find(name).environment
        if variable is None or not self._environment.get(variable, "").strip():
            return ""
        return f"The environment variable {variable} counts instead, until it is taken away."

    # -- all of them ------------------------------------------------------------------------------

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of those that are not saved, in their order."""
        return tuple(setting.name for setting in SETTINGS if setting.name in self._typed)

    @property
    def can_save(self) -> bool:
        """Whether something was changed, and nothing that was is wrong."""
        return bool(self._typed) and not any(self.problem(name) for name in self._typed)

    def to_save(self) -> list[tuple[str, str]]:
        """Name and text of each changed one, as they are stored. Raises SettingError."""
        return [(name, to_text(find(name), self._value(name))) for name in self.changed]

    def saved(self, name: str, text: str) -> None:
        """It is stored now. What was typed meanwhile stays."""
        self._stored[name] = parse(find(name), text)
        self.change(name, self.text(name))

    def discard(self) -> None:
        """Back to what is stored."""
        self._typed.clear()

    def _value(self, name: str) -> Value:
        return parse(find(name), self._typed[name]) if name in self._typed else self._stored[name]

    def _differs(self, name: str, text: str) -> bool:
        try:
            return parse(find(name), text) != self._stored[name]
        except SettingError:
            return True


def after_restart(names: list[str]) -> list[str]:
    """Those of them that count after a restart of the bot, in words."""
    return [label_of(name) for name in names if not find(name).live]


def _in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()
