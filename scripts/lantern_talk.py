"""The Lantern as a server of the tests' stand-in, and what its members say there on a later day.

Members and channels have the ids of the sample that `launcher.py --demo` imports, so that a bot
which learned from it meets people it knows. The talk is made by the sample's own generator with
another seed, for the days behind the sample's last one: none of it was imported or trained on,
though single lines may be said again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from data.samples.cast import Member as SampleMember
from data.samples.community import simulate
from data.samples.lantern import lantern
from tests.discord_stand_in.things import Channel, Member, User
from tests.discord_stand_in.world import World

DAYS, A_DAY = 30, 40
"""How many days are made, and lines a day: about as many as the sample has on the average."""
LONGEST_SILENCE_S = 45.0
"""A longer one counts as this: a night would press everything else together."""
UNSAID = ("system", "command", "bot")


@dataclass(frozen=True)
class Told:
    """A line that a member says of their own accord."""

    channel_id: int
    member_id: int
    nick: str
    text: str
    own_id: int
    """What it is called in `answers_id`; the stand-in gives another."""
    answers_id: int | None
    """The line that it shows as answered."""
    gap_s: float
    """Since the line before, in truth but for long silences."""


@dataclass(frozen=True)
class Aside:
    """A line to, about or past the bot, put between the others. `{bot}` is a mention of it,
    `{name}` its persona's name, `{other}` the nick of somebody who is there too."""

    what: str
    text: str
    is_direct: bool = False
    """Whether it is a reply to what the bot said last, shown as one."""


ASIDES: tuple[tuple[Aside, ...], ...] = (
    (Aside("mention", "{bot} are you in for the raid tonight?"), Aside("goes on", "why though?")),
    (Aside("for somebody else", "{other}, did you feed your pet today?"),),
    (
        Aside("by name", "{name} what should I cook tonight?"),
        Aside("thanks", "thanks, will try that"),
    ),
    (
        Aside("by name", "hey {name}, which boss do you hate most?"),
        Aside("replied", "no way", True),
    ),
    (Aside("spoken of", "I think {name} fell asleep again"),),
    (Aside("mention", "{bot} who is Gerald?"), Aside("goes on", "and where does he live?")),
    (Aside("whether it is a bot", "{name} are you a bot?"),),
)
"""Each group is said by one member, one line after the other was answered."""


class LanternWorld(World):
    """The stand-in with The Lantern on it: its six channels, its twelve members, and the bot."""

    def _found_first_guild(self) -> None:
        community = lantern()
        people = [User(int(one.id), one.name, one.nick) for one in community.members]
        self.users |= {one.id: one for one in people}
        self.maker_id = people[0].id
        self.guild = self.add_guild(community.name, people[0])
        for one in people[1:]:
            self.guild.members[one.id] = Member(one, self.guild.id, joined_ms=self.clock_ms())
        for place, found in enumerate(community.channels):
            channel = Channel(int(found.id), found.name, guild_id=self.guild.id, position=place)
            channel.topic = found.about
            self._open(self.guild, channel, "CHANNEL_CREATE")
        self.general = self.channel(int(community.channels[0].id))


def later_talk(count: int, seed: int) -> list[Told]:
    """So many lines (1,000 at most), in the order in which they are said on the days behind the
    sample's last."""
    sample = lantern()
    community = replace(
        sample,
        start=sample.start + timedelta(days=sample.days),
        days=DAYS,
        thread_titles=(),
        plants=(),
        oddities=(),
        members=tuple(replace(one, joined_day=0) for one in sample.members),
    )
    made = simulate(community, seed, DAYS * A_DAY).all_messages()
    said = [one for one in made if one.act not in UNSAID and one.content][:count]
    times_s = [one.timestamp_ms / 1000 for one in said]
    gaps_s = [0.0, *(min(b - a, LONGEST_SILENCE_S) for a, b in pairwise(times_s))]
    return [
        Told(
            int(one.channel_id),
            int(one.author.id),
            one.author.nick,
            _with_mentions(one.content, one.mentions),
            int(one.id),
            int(one.reference_id) if one.reference_id else None,
            gap_s,
        )
        for one, gap_s in zip(said, gaps_s, strict=True)
    ]


def _with_mentions(text: str, mentioned: Sequence[SampleMember]) -> str:
    """As Discord has it: an export shows "@Nick"."""
    for one in mentioned:
        text = text.replace(f"@{one.nick}", f"<@{one.id}>")
    return text
