"""What happens on the stand-in beside talk: reactions, typing, slash commands, buttons."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.discord_stand_in import message_payloads, payloads
from tests.discord_stand_in.events import Intent
from tests.discord_stand_in.orders import button_data, command_data
from tests.discord_stand_in.sayings import Interaction, Message
from tests.discord_stand_in.talk import Talk
from tests.discord_stand_in.things import Channel, Json

_WORDS = (
    "the a bird tree branch seed feather song dawn cloud rain wind nest egg flight perch who what "
    "where when why I you we they it is was has had can will not very quite really maybe lol"
).split()


class World(Talk):
    """Everything that people do. Each method changes the state and dispatches the event at once;
    call them on the stand-in's own event loop (`StandInThread` sees to that)."""

    def react(self, message_id: int, member_id: int, emoji: str) -> None:
        """`emoji`: the character, or `name:id` for a server's own."""
        message = self.messages[message_id]
        users = message.reactions.setdefault(emoji, [])
        if member_id in users:
            return
        users.append(member_id)
        self._tell_reaction("MESSAGE_REACTION_ADD", message, member_id, emoji)

    def unreact(self, message_id: int, member_id: int, emoji: str) -> None:
        message = self.messages[message_id]
        message.reactions[emoji].remove(member_id)
        if not message.reactions[emoji]:
            del message.reactions[emoji]
        self._tell_reaction("MESSAGE_REACTION_REMOVE", message, member_id, emoji)

    def clear_reactions(self, message_id: int, emoji: str | None = None) -> None:
        """A moderator takes all reactions off a message, or all of one emoji."""
        message = self.messages[message_id]
        data = {"message_id": str(message_id)}
        if emoji is None:
            message.reactions.clear()
            self._tell_of_reaction("MESSAGE_REACTION_REMOVE_ALL", message.channel_id, data)
        else:
            message.reactions.pop(emoji, None)
            one = data | {"emoji": message_payloads.emoji_key_json(self, emoji)}
            self._tell_of_reaction("MESSAGE_REACTION_REMOVE_EMOJI", message.channel_id, one)

    def _tell_reaction(self, event: str, message: Message, member_id: int, emoji: str) -> None:
        data: Json = {
            "user_id": str(member_id),
            "message_id": str(message.id),
            "emoji": message_payloads.emoji_key_json(self, emoji),
            "burst": False,
            "type": 0,
        }
        guild = self.guilds.get(self.channel(message.channel_id).guild_id or 0)
        if event.endswith("ADD"):
            data["message_author_id"] = str(message.author_id)
            if guild is not None and member_id in guild.members:
                data["member"] = payloads.member_json(guild.members[member_id])
        self._tell_of_reaction(event, message.channel_id, data)

    def _tell_of_reaction(self, event: str, channel_id: int, data: Json) -> None:
        intent = self._intent(channel_id, Intent.REACTIONS, Intent.DIRECT_REACTIONS)
        self.tell(event, intent, data | self._place(channel_id), self.channel(channel_id))

    def start_typing(self, channel_id: int, member_id: int) -> None:
        intent = self._intent(channel_id, Intent.TYPING, Intent.DIRECT_TYPING)
        data: Json = {"user_id": str(member_id), "timestamp": self.clock_ms() // 1000}
        guild = self.guilds.get(self.channel(channel_id).guild_id or 0)
        if guild is not None and member_id in guild.members:
            data["member"] = payloads.member_json(guild.members[member_id])
        self.tell("TYPING_START", intent, data | self._place(channel_id), self.channel(channel_id))

    def interact(
        self,
        channel_id: int,
        member_id: int,
        *,
        command: str | None = None,
        options: Json | None = None,
        button: str | None = None,
        message_id: int | None = None,
    ) -> Interaction:
        """A member gives a slash command (`command`, its `options` by name; "privacy show" for a
        part of one) or presses the button with the custom id `button` under a message.

        Raises LookupError where the bot has offered no such thing, or nothing that they can see;
        ValueError for an option that Discord's own window would not let anybody enter,
        PermissionError where it is not shown.
        """
        channel = self.channel(channel_id)
        if command is not None:
            data = command_data(self, channel, member_id, command, options or {})
        else:
            message = self.any_message(message_id or 0)
            if message.is_ephemeral and message.seen_by != member_id:
                raise LookupError(f"message {message.id} is not shown to {member_id}")
            data = button_data(message, button or "")
        made = self.new_id()
        kind = 2 if command is not None else 3
        token = f"interaction-{made}"
        interaction = Interaction(
            made, token, kind, member_id, channel_id, channel.guild_id, data, message_id
        )
        self.interactions[token] = interaction
        self.tell(
            "INTERACTION_CREATE",
            Intent.NONE,
            lambda s: message_payloads.interaction_json(self, interaction),
        )
        return interaction

    def fill(
        self,
        channel_id: int,
        n: int,
        seed: int = 0,
        *,
        members: Sequence[int] | None = None,
        until_ms: int | None = None,
        gap_ms: int = 20_000,
    ) -> list[int]:
        """Makes `n` old messages of about ten words without telling anybody; returns their ids,
        oldest first. They end at `until_ms` (None: an hour ago), `gap_ms` apart on average."""
        chance = random.Random(seed)
        channel = self.channel(channel_id)
        authors = members or [self.alice.id, self.bob.id, self.carol.id]
        at_ms = (until_ms or self.clock_ms() - 3_600_000) - n * gap_ms
        made = [self._old(channel, at_ms + i * gap_ms, chance, authors) for i in range(n)]
        for message in made:
            self.messages[message.id] = message
        channel.message_ids = sorted([*channel.message_ids, *(m.id for m in made)])
        return [message.id for message in made]

    def _old(
        self, channel: Channel, at_ms: int, chance: random.Random, authors: Sequence[int]
    ) -> Message:
        words = chance.choices(_WORDS, k=chance.randint(3, 17))
        made_id = self.new_id(at_ms) + chance.randrange(1 << 20)
        return Message(made_id, channel.id, chance.choice(authors), " ".join(words))
