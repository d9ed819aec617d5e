"""How people talk on the stand-in: say, edit, delete."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from typing import Any

from tests.discord_stand_in import message_payloads
from tests.discord_stand_in.events import Intent
from tests.discord_stand_in.founding import Founding
from tests.discord_stand_in.sayings import Message
from tests.discord_stand_in.things import Json, User

_MENTION = re.compile(r"<@!?(\d+)>")
_ROLE_MENTION = re.compile(r"<@&(\d+)>")


class Talk(Founding):
    """What is said, with the events."""

    def say(
        self,
        channel_id: int,
        member_id: int,
        text: str = "",
        *,
        reply_to: int | None = None,
        mentions: Iterable[int] = (),
        ping: bool = True,
        at_ms: int | None = None,
        silent: bool = False,
        webhook_name: str | None = None,
        forward_of: int | None = None,
        **more: Any,
    ) -> int:
        """Somebody says something; returns the message's id.

        Whom `<@id>` in the text names is mentioned, `mentions` too, and with `ping` whom it
        answers. `at_ms`: said at that time, milliseconds since 1970. `silent`: no event, as if said
        while nobody listened. `more` sets fields of `things.Message`: attachments, embeds,
        sticker_items, poll, type (7: somebody joined), flags and so on.
        """
        message = Message(self.new_id(at_ms), channel_id, member_id, text, **more)
        message.mentions += [u for u in [*self.named_in(text), *mentions] if u in self.users]
        message.mention_roles = [int(role) for role in _ROLE_MENTION.findall(text)]
        message.mention_everyone = "@everyone" in text or "@here" in text
        if reply_to is not None:
            self._answer(message, reply_to, ping)
        if forward_of is not None:
            self._forward(message, forward_of)
        if webhook_name is not None:
            message.webhook = User(member_id, webhook_name, is_bot=True)
        message.mentions = list(dict.fromkeys(message.mentions))
        self.store(message, silent=silent)
        return message.id

    def named_in(self, text: str) -> list[int]:
        """The accounts that a text mentions."""
        return [int(found) for found in _MENTION.findall(text)]

    def _answer(self, message: Message, answered_id: int, ping: bool) -> None:
        answered = self.messages.get(answered_id)
        message.type = 19
        message.reference = self.reference(message.channel_id, answered_id)
        if ping and answered is not None:
            message.mentions.append(answered.author_id)

    def _forward(self, message: Message, forwarded_id: int) -> None:
        forwarded = self.messages[forwarded_id]
        message.reference = self.reference(forwarded.channel_id, forwarded_id) | {"type": 1}
        kept = "type content mentions mention_roles attachments embeds timestamp edited_timestamp"
        whole = message_payloads.message_json(self, forwarded)
        snapshot = {name: whole[name] for name in (*kept.split(), "flags", "components")}
        message.snapshots = [{"message": snapshot}]

    def reference(self, channel_id: int, message_id: int) -> Json:
        channel = self.channel(channel_id)
        made: Json = {"type": 0, "channel_id": str(channel_id), "message_id": str(message_id)}
        return made | ({} if channel.guild_id is None else {"guild_id": str(channel.guild_id)})

    def store(self, message: Message, *, silent: bool = False) -> None:
        """Puts a message into its channel, in the order of ids, and tells of it."""
        channel = self.channel(message.channel_id)
        self.messages[message.id] = message
        bisect.insort(channel.message_ids, message.id)
        if not silent:
            self._tell_message("MESSAGE_CREATE", message)

    def _tell_message(self, event: str, message: Message) -> None:
        self.tell(
            event,
            self._intent(message.channel_id, Intent.MESSAGES, Intent.DIRECT_MESSAGES),
            lambda strip: message_payloads.message_event_json(self, message, strip=strip),
            self.channel(message.channel_id),
        )

    def _intent(self, channel_id: int, on_server: Intent, direct: Intent) -> Intent:
        return direct if self.channel(channel_id).guild_id is None else on_server

    def edit(self, message_id: int, text: str, **more: Any) -> None:
        """The author changes a message; `more` sets other fields."""
        message = self.any_message(message_id)
        message.content = text
        message.mentions = [u for u in self.named_in(text) if u in self.users]
        message.edited_ms = self.clock_ms()
        self.alter(message_id, **more)

    def alter(self, message_id: int, **fields: Any) -> None:
        """Changes fields without a new edited_timestamp, as Discord does when it unfurls a link
        (`embeds=[...]`), pins a message or hangs a thread on it."""
        message = self.any_message(message_id)
        for name, value in fields.items():
            setattr(message, name, value)
        if message_id in self.messages:
            self._tell_message("MESSAGE_UPDATE", message)

    def delete(self, message_id: int) -> None:
        message = self.messages[message_id]
        self._remove(message)
        self._tell_about("MESSAGE_DELETE", message.channel_id, {"id": str(message_id)})

    def bulk_delete(self, message_ids: Sequence[int]) -> None:
        """A moderator deletes messages of one channel."""
        channel_id = self.messages[message_ids[0]].channel_id
        for message_id in message_ids:
            self._remove(self.messages[message_id])
        ids = [str(message_id) for message_id in message_ids]
        self._tell_about("MESSAGE_DELETE_BULK", channel_id, {"ids": ids})

    def _remove(self, message: Message) -> None:
        ids = self.channel(message.channel_id).message_ids
        ids.pop(bisect.bisect_left(ids, message.id))
        del self.messages[message.id]

    def _tell_about(self, event: str, channel_id: int, data: Json) -> None:
        direct = self._intent(channel_id, Intent.MESSAGES, Intent.DIRECT_MESSAGES)
        self.tell(event, direct, data | self._place(channel_id), self.channel(channel_id))

    def _place(self, channel_id: int) -> Json:
        guild_id = self.channel(channel_id).guild_id
        made: Json = {"channel_id": str(channel_id)}
        return made | ({} if guild_id is None else {"guild_id": str(guild_id)})

    def direct_message(self, user_id: int, text: str) -> int:
        """An account writes to the bot; returns the message's id."""
        return self.say(self.direct_channel(user_id).id, user_id, text)
