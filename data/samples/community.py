"""Simulates a community's months of talk, channel by channel, the same for the same seed.

The order of things: sessions are drawn over the calendar; each holds one to three conversations
that overlap; their lines get times; then all lines are sorted, given ids, replies, reactions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random

from data.samples.cast import Channel, Community, Member, SampleMessage, Simulation, snowflake
from data.samples.converse import Line, Scene, converse
from data.samples.export import write_simulation
from data.samples.templates import Topic, parse_bank
from data.samples.topics import all_banks

__all__ = ["simulate", "write_exports"]
write_exports = partial(write_simulation, lambda c, seed, n: simulate(c, seed, n))

FUNNY_EMOJI = ("😂", "💀", "🤣", "😭")
KIND_EMOJI = ("❤️", "👍", "🔥", "🎉", "👀", "💯", "🙏")
STICKERS = ("Wave", "Nap Time", "Big Sigh", "Victory Dance")


@dataclass(frozen=True)
class _Timed:
    at_ms: int
    channel: Channel
    conversation: int
    index: int  # of the line in its conversation
    line: Line
    topic: str


def simulate(community: Community, seed: int, message_count: int) -> Simulation:
    """About 18 months in exactly `message_count` messages, bots and notices included."""
    rng = Random(f"{community.id}/{seed}")
    talk = _Talk(community, rng)
    talk.join_everyone()
    for number in range(len(community.thread_titles)):
        if len(talk.timed) < message_count * 0.8:
            talk.thread(number)
    if message_count >= 300:
        talk.plant()
    while len(talk.timed) < message_count:
        talk.session(message_count)
    channels = (*community.channels, *talk.threads)
    return _finish(community, channels, talk.timed[:message_count], rng)


class _Talk:
    """Collects timed lines; one instance a simulation."""

    def __init__(self, community: Community, rng: Random) -> None:
        self.community = community
        self.rng = rng
        self.timed: list[_Timed] = []
        self.threads: list[Channel] = []
        self.seen: set[str] = set()
        self.conversations = 0
        banks = (*all_banks(), community.extra_bank)
        self.topics = [topic for bank in banks for topic in parse_bank(bank)]
        self.recent: list[str] = []
        self.day_mood = [math.exp(rng.gauss(0, 0.45)) for _ in range(community.days)]
        for _ in range(5):  # quiet spells: holidays, exams
            start = rng.randrange(community.days)
            for day in range(start, min(start + rng.randint(4, 10), community.days)):
                self.day_mood[day] *= 0.15

    def session(self, message_count: int) -> None:
        """One to three conversations in one channel, starting within minutes of each other."""
        when = self._moment()
        channel = self._channel()
        gap = 0.0
        for _ in range(self.rng.choices((1, 2, 3), (50, 34, 16))[0]):
            if len(self.timed) >= message_count:
                return
            at = when + timedelta(seconds=gap)
            gap += self.rng.uniform(20, 260)
            if self.rng.random() < 0.035:
                self._command(channel, self._cast(at, channel, None, 3), at)
                continue
            topic = self._topic(channel)
            cast = self._cast(at, channel, topic, self.rng.choices((2, 3, 4), (38, 42, 20))[0])
            scene = Scene(self.community, cast, self.rng, self.seen)
            converse(scene, topic)
            self._keep(scene.lines, channel, at, topic.name)

    def _keep(self, lines: list[Line], channel: Channel, start: datetime, topic: str) -> None:
        at = start.timestamp() * 1000 + self.rng.randrange(1000)
        for index, line in enumerate(lines):
            if index:
                at += line.delay_s * 1000 + self.rng.randrange(1000)
            self.timed.append(_Timed(int(at), channel, self.conversations, index, line, topic))
        self.conversations += 1

    def _moment(self) -> datetime:
        """A start: busy days, evenings and weekends are likelier."""
        community, rng = self.community, self.rng
        while True:
            day = rng.randrange(community.days)
            start = community.start + timedelta(days=day)
            hour = rng.randrange(24)
            members = [m for m in community.members if m.joined_day <= day]
            weekend = start.weekday() >= 5
            awake = sum(m.activity * _awake(m, hour, weekend) for m in members)
            total = sum(m.activity for m in community.members)
            if rng.random() < awake / total * min(self.day_mood[day], 2.5) / 2:
                return start + timedelta(hours=hour, seconds=rng.randrange(3600))

    def _channel(self) -> Channel:
        channels = self.community.channels
        return self.rng.choices(channels, [c.weight for c in channels])[0]

    def _topic(self, channel: Channel) -> Topic:
        weights = []
        for topic in self.topics:
            weight = 1.0 if set(topic.tags) & set(channel.tags) else 0.04
            weights.append(weight * (0.15 if topic.name in self.recent else 1.0))
        topic = self.rng.choices(self.topics, weights)[0]
        self.recent = [*self.recent[-5:], topic.name]
        return topic

    def _cast(self, at: datetime, channel: Channel, topic: Topic | None, size: int) -> list[Member]:
        day = (at - self.community.start).days
        weekend = at.weekday() >= 5
        pool = [m for m in self.community.members if m.joined_day <= day]
        cast: list[Member] = []
        while len(cast) < min(size, len(pool)):
            left = [m for m in pool if m not in cast]
            weights = [
                m.activity * (_awake(m, at.hour, weekend) + 0.02) * _taste(m, channel, topic)
                for m in left
            ]
            cast.append(self.rng.choices(left, weights)[0])
        return cast

    def _command(self, channel: Channel, cast: list[Member], at: datetime) -> None:
        """Somebody asks a bot; the bot answers; somebody reacts."""
        rng, scene = self.rng, Scene(self.community, cast, self.rng, self.seen)
        if rng.random() < 0.6:
            bot, sides, count = (
                self.community.dice_bot,
                rng.choice((6, 8, 10, 20)),
                rng.randint(1, 3),
            )
            rolls = [rng.randint(1, sides) for _ in range(count)]
            ask = f"!roll {count}d{sides}"
            answer = f"🎲 {count}d{sides}: {' + '.join(map(str, rolls))} = **{sum(rolls)}**"
            low = sum(rolls) <= count * sides * 0.4
            react: tuple[str, ...] = DICE_LOW if low else DICE_HIGH
        else:
            bot, song = self.community.music_bot, scene.slot("song", cast[0], cast[1])
            ask = f"!play {song}"
            answer = f"▶️ Now playing **{song}** (asked for by {cast[0].nick})"
            react = MUSIC
        scene.speak([ask], cast[0], cast[1], "command", verbatim=True)
        scene.lines.append(Line(bot, answer, 1.2, "bot", answers=0))
        if rng.random() < 0.8:
            speaker = rng.choice(cast)
            scene.speak(list(react), speaker, cast[0], "react", answers=1)
        self._keep(scene.lines, channel, at, "bot")

    def join_everyone(self) -> None:
        """The notices of members arriving, and a welcome."""
        first = self.community.channels[0]
        for member in self.community.members:
            at = self.community.start + timedelta(
                days=member.joined_day, hours=18, seconds=self.rng.randrange(7200)
            )
            lines = [Line(member, "Joined the server.", 0, "system", kind="GuildMemberJoin")]
            if member.joined_day:
                greeters = [m for m in self._cast(at, first, None, 3) if m is not member]
                scene = Scene(self.community, [*greeters, member], self.rng, self.seen, lines=lines)
                scene.speak(list(WELCOME), greeters[0], member, "tell")
                scene.speak(list(HELLO), member, greeters[0], "answer", answers=1)
            self._keep(lines, first, at, "welcome")

    def thread(self, number: int) -> None:
        """A thread of its own under a channel, with the notice that opened it."""
        at, rng = self._moment(), self.rng
        parent = self._channel()
        moment = int(at.timestamp() * 1000)
        title = self.community.thread_titles[number]
        thread = Channel(
            snowflake(moment, 4_000_000 + number),
            title,
            parent.name,
            parent.id,
            tags=parent.tags,
            kind="GuildPublicThread",
        )
        self.threads.append(thread)
        cast = self._cast(at, parent, None, 4)
        notice = Line(cast[0], f"Started a thread: {title}", 0, "system", kind="ThreadCreated")
        self._keep([notice], parent, at, "thread")
        for turn in range(rng.randint(2, 4)):
            topic = self._topic(parent)
            scene = Scene(self.community, rng.sample(cast, len(cast)), rng, self.seen)
            converse(scene, topic)
            later = at + timedelta(minutes=2 + turn * rng.randint(7, 90))
            self._keep(scene.lines, thread, later, topic.name)

    def plant(self) -> None:
        """Personal strings and odd lines, each kept to the letter."""
        rng = self.rng
        for plant in self.community.plants:
            at, channel = self._moment(), self._channel()
            cast = self._cast(at, channel, None, 2)
            scene = Scene(self.community, cast, rng, self.seen)
            ask = scene.speak([plant.ask], cast[0], cast[1], "ask", asked="what")
            me, you = cast[1], cast[0]
            answer = scene.speak([plant.answer], me, you, "answer", answers=ask, verbatim=True)
            scene.speak([plant.thanks], you, me, "react", answers=answer)
            self._keep(scene.lines, channel, at, "personal")
        for oddity in self.community.oddities:
            at, channel = self._moment(), self._channel()
            cast = self._cast(at, channel, None, 2)
            scene = Scene(self.community, cast, rng, self.seen)
            scene.speak([oddity], cast[0], cast[1], "tell", verbatim=True)
            scene.speak(["{laugh}", "what", "{wow}"], cast[1], cast[0], "short", answers=0)
            self._keep(scene.lines, channel, at, "oddity")


WELCOME = (
    "welcome {you}! grab a [chair|seat|snack]< and [tell us what you play|make yourself at home]>",
    "{hi} {you}, [welcome in|good to have you]<, the rules are pinned and nobody reads them>",
)
HELLO = (
    "{hi} everyone, {thanks} for [having|inviting] me<, I mostly play {me.class}>",
    "{hi}! [I'm here for|I was promised] {game} and {me.food}",
)
DICE_LOW = (
    "[that is|that's] a [tragic|painful|rotten|miserable] roll",
    "the dice [hate|despise] {you}",
    "and that's how {you} [died|fell off the roof|lost the horse]",
    "oof, [roll again|try again]",
)
DICE_HIGH = (
    "[finally|at last], a [decent|proper] roll<, write it down>",
    "the dice [love|favor] {you} today",
    "save [that one|some luck] for the boss",
    "{wow}, [lucky|nicely rolled]",
)
MUSIC = (
    "[great|solid|bold] pick",
    "oh I [love|adore] this one<, turn it up>",
    "[who|why] let {you} near the jukebox",
    "this song again? {laugh}",
    "{yes}, [bass|volume] up please",
)


def _awake(member: Member, hour: int, weekend: bool) -> float:
    distance = abs(hour - member.peak_hour) % 24
    distance = min(distance, 24 - distance)
    level = math.exp(-((distance / (member.awake_hours / 1.7)) ** 2))
    return level * (member.weekend if weekend else 1.0)


def _taste(member: Member, channel: Channel, topic: Topic | None) -> float:
    factor = member.likes.get(f"#{channel.name}", 1.0)
    for name in (topic.name, *topic.tags) if topic else ():
        factor *= member.likes.get(name, 1.0)
    return factor


def _finish(
    community: Community, channels: tuple[Channel, ...], timed: list[_Timed], rng: Random
) -> Simulation:
    """Sort by time, give ids, then what hangs on ids: replies, reactions, edits, pins."""
    timed = sorted(timed, key=lambda t: (t.at_ms, t.conversation, t.index))
    order: dict[tuple[int, int], str] = {}
    clock: dict[str, int] = {}
    last_id: dict[str, str] = {}
    made: dict[str, list[SampleMessage]] = {c.id: [] for c in channels}
    for sequence, item in enumerate(timed):
        at = max(item.at_ms, clock.get(item.channel.id, 0) + 1)
        clock[item.channel.id] = at
        identity = snowflake(at, sequence)
        order[item.conversation, item.index] = identity
        gold = None
        if item.line.answers is not None:
            gold = order.get((item.conversation, item.line.answers))
        message = _message(item, at, identity, gold, last_id.get(item.channel.id), rng, community)
        last_id[item.channel.id] = identity
        made[item.channel.id].append(message)
        if message.pinned:
            notice = Line(
                message.author, "Pinned a message.", 0, "system", kind="ChannelPinnedMessage"
            )
            pin = _Timed(at + 1, item.channel, item.conversation, -1, notice, item.topic)
            made[item.channel.id].append(
                _message(pin, at + 1, snowflake(at + 1, sequence), identity, None, rng, community)
            )
            clock[item.channel.id] = at + 1
    return Simulation(community, channels, {k: tuple(v) for k, v in made.items()})


def _message(
    item: _Timed,
    at_ms: int,
    identity: str,
    gold: str | None,
    previous: str | None,
    rng: Random,
    community: Community,
) -> SampleMessage:
    line, chatty = item.line, item.line.act not in ("system", "bot", "command")
    near = gold == previous
    replies = chatty and gold and rng.random() < (0.07 if near else 0.24)
    reactions: tuple[tuple[str, int], ...] = ()
    if chatty and rng.random() < (0.16 if line.funny or line.image else 0.05):
        pool = (*FUNNY_EMOJI, *community.custom_emoji) if line.funny else KIND_EMOJI
        picked = rng.sample(pool, rng.choice((1, 1, 1, 2)))
        reactions = tuple((e, rng.choices((1, 2, 3, 5), (50, 30, 15, 5))[0]) for e in picked)
    attachments: tuple[str, ...] = ()
    if line.image and rng.random() < 0.75:
        attachments = (f"screenshot_{rng.randint(1000, 9999)}.png",)
    return SampleMessage(
        id=identity,
        channel_id=item.channel.id,
        timestamp_ms=at_ms,
        author=line.speaker,
        content=line.text,
        kind=line.kind if line.kind != "Default" else "Reply" if replies else "Default",
        conversation=item.conversation,
        act=line.act,
        asked=line.asked,
        topic=item.topic,
        answers_id=gold,
        reference_id=gold if replies or line.kind == "ChannelPinnedMessage" else None,
        edited_ms=at_ms + rng.randint(4_000, 90_000) if chatty and rng.random() < 0.025 else None,
        pinned=chatty and rng.random() < 0.0008,
        mentions=(line.mention,) if line.mention else (),
        attachments=attachments,
        reactions=reactions,
        sticker=rng.choice(STICKERS) if line.act == "short" and rng.random() < 0.02 else "",
    )
