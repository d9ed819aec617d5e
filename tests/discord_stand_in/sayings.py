"""What is said on the stand-in, and what the bot answers to slash commands and buttons."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.discord_stand_in.things import Json, User, snowflake_ms


@dataclass
class Message:
    """One message. `reactions` maps an emoji (the character, or `name:id`) to who reacted."""

    id: int
    channel_id: int
    author_id: int
    content: str = ""
    type: int = 0
    flags: int = 0
    edited_ms: int | None = None
    mentions: list[int] = field(default_factory=list)
    """Only who is pinged: for the bot's own messages, what its allowed_mentions let through."""
    mention_roles: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    attachments: list[Json] = field(default_factory=list)
    embeds: list[Json] = field(default_factory=list)
    sticker_items: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    reference: Json | None = None
    snapshots: list[Json] = field(default_factory=list)
    poll: Json | None = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    webhook: User | None = None
    nonce: str | int | None = None
    interaction: Interaction | None = None
    is_ephemeral: bool = False
    files: list[tuple[str, bytes]] = field(default_factory=list)
    """What was uploaded with it, by name."""
    sent_s: float = field(default_factory=time.monotonic)
    """When the stand-in took it, on the monotonic clock."""

    @property
    def reply_to(self) -> int | None:
        """The id of the message that this one answers."""
        if self.reference is None or self.reference.get("type", 0) != 0:
            return None
        return int(self.reference["message_id"])

    @property
    def asked(self) -> int | None:
        """The id of the message that the bot answers with it, shown as that or not: its nonce
        begins with it."""
        head, _, _ = str(self.nonce or "").partition("-")
        return int(head) if head.isdecimal() else None

    @property
    def at_ms(self) -> int:
        return snowflake_ms(self.id)

    @property
    def seen_by(self) -> int | None:
        """Of an ephemeral one: who alone sees it."""
        return self.interaction.member_id if self.is_ephemeral and self.interaction else None


@dataclass
class Response:
    """One thing that the bot answered to an interaction.

    `kind` is Discord's callback type (4 message, 5 thinking, 6 and 7 change of the button's
    message), or "followup" or "edit".
    """

    kind: int | str
    data: Json
    is_ephemeral: bool = False
    message_id: int | None = None

    @property
    def content(self) -> str:
        return self.data.get("content") or ""


@dataclass(eq=False)
class Interaction:
    """A slash command or a pressed button, and what the bot answered so far."""

    id: int
    token: str
    kind: int
    """2 a command, 3 a button."""
    member_id: int
    channel_id: int
    guild_id: int | None
    data: Json
    message_id: int | None = None
    """Of a button: the message that it stands under."""
    responses: list[Response] = field(default_factory=list)
    original_id: int | None = None
    deferred: bool = False
    asked_s: float = field(default_factory=time.monotonic)

    @property
    def acknowledged(self) -> bool:
        return bool(self.responses)

    @property
    def content(self) -> str:
        """The text of the last answer that had one; "" while there is none."""
        return next((one.content for one in reversed(self.responses) if one.content), "")
