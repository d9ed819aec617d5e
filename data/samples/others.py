"""Other communities, drawn from a seed: their own people, places, jokes and ways of writing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from random import Random

from data.samples.cast import Channel, Community, Member, Voice, snowflake
from data.samples.other_names import (
    CLASSES,
    FACT_BANKS,
    MASCOTS,
    NICK_ENDS,
    NICK_STARTS,
    SERVER_FIRST,
    SERVER_SECOND,
    SOUNDS,
    THINGS,
)
from data.samples.other_talk import (
    CLOSERS,
    EMOJI,
    JOKE_BANKS,
    OPENERS,
    PHRASES,
    SAYINGS,
    SLANG,
    TONES,
)
from data.samples.other_words import (
    ADJECTIVES,
    ENDS,
    HABITS,
    NOUNS,
    STARTS,
    TITLES,
)

CHANNEL_SETS = (
    (
        ("general", "general"),
        ("raids", "raids"),
        ("game-talk", "games"),
        ("pics", "media"),
        ("rpg", "tabletop"),
        ("random", "life tech"),
    ),
    (
        ("lounge", "general life"),
        ("group-finder", "raids"),
        ("strategy", "games raids"),
        ("clips", "media"),
        ("tech-help", "tech games"),
    ),
    (
        ("main-chat", "general"),
        ("events", "raids general"),
        ("guides", "games"),
        ("dice-table", "tabletop"),
        ("kitchen-table", "life"),
        ("screens", "media"),
        ("rigs", "tech"),
    ),
    (
        ("town-square", "general life"),
        ("war-room", "raids games"),
        ("workshop", "games tech"),
        ("album", "media life"),
    ),
)


def other_community(seed: int) -> Community:
    """The community of a seed: 8 to 16 members, 4 to 7 channels, 10 to 20 months."""
    rng = Random(f"other/{seed}")
    start = datetime(2021, 1, 4, tzinfo=timezone.utc) + timedelta(days=rng.randrange(900))
    base = int(start.timestamp() * 1000) - 900_000_000

    def identity(number: int) -> str:
        return snowflake(base + number * 77_003, 1000 + number)

    things = [t if rng.random() < 0.5 else _coin(rng, "{a} {n}") for t in rng.sample(THINGS, 6)]
    mascot, animal = rng.choice(MASCOTS)
    days = rng.randint(300, 600)
    members = _members(rng, identity, days, things)
    tags = rng.choice(CHANNEL_SETS)
    channels = tuple(
        Channel(
            identity(300 + i),
            name,
            "Rooms",
            identity(290),
            tags=tuple(topics.split()),
            weight=rng.uniform(4, 20) * (2.5 if i == 0 else 1),
        )
        for i, (name, topics) in enumerate(tags)
    )
    fill = dict(zip(("thing", "thing2", "thing3"), things, strict=False))
    fill |= {"mascot": mascot, "animal": animal, "hero": members[0].nick, "goat": members[-1].nick}
    banks = rng.sample(JOKE_BANKS, 3)
    emoji = tuple(
        f"{t.replace(' ', '')}_{e}"
        for t, e in zip(things, ("hype", "sad", "no", "yay"), strict=False)
    )
    return Community(
        id=identity(1),
        name=f"{rng.choice(SERVER_FIRST)} {rng.choice(SERVER_SECOND)}",
        members=members,
        dice_bot=Member(identity(201), "dice", "Dicebot", Voice(), is_bot=True),
        music_bot=Member(identity(202), "tunes", "Tunes", Voice(), is_bot=True),
        channels=channels,
        entities=_entities(rng),
        sayings=tuple(_fill(s, fill) for s in rng.sample(SAYINGS, 6)),
        extra_bank="\n".join(_fill(bank, fill) for bank in banks),
        custom_emoji=emoji,
        start=start,
        days=days,
        thread_titles=tuple(f"{t} planning" for t in things[3 : 3 + rng.randint(1, 3)]),
    )


def _fill(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"%{key}%", value)
    return text


def _members(
    rng: Random, identity: Callable[[int], str], days: int, things: list[str]
) -> tuple[Member, ...]:
    count = rng.randint(8, 16)
    nicks: list[str] = []
    while len(nicks) < count:
        nick = rng.choice(NICK_STARTS)
        if rng.random() < 0.6:
            nick += rng.choice(NICK_ENDS)
        if nick.lower() not in {n.lower() for n in nicks}:
            nicks.append(nick)
    members = []
    for place, nick in enumerate(nicks):
        facts = {key: rng.choice(bank) for key, bank in FACT_BANKS.items()}
        facts["class"] = rng.choice(CLASSES)
        tags = ("raids", "games", "life", "tech", "media", "tabletop", "cooking", "lore", "pets")
        members.append(
            Member(
                id=identity(100 + place),
                name=nick.lower() + rng.choice(("", "", "_", str(rng.randint(2, 99)))),
                nick=nick,
                voice=_voice(rng, things),
                activity=20 / (1 + place) ** rng.uniform(0.6, 0.9),
                peak_hour=rng.uniform(12, 24),
                awake_hours=rng.uniform(4, 8),
                weekend=rng.uniform(0.6, 1.8),
                likes={t: rng.uniform(1.5, 4) for t in rng.sample(tags, 3)},
                facts=facts,
                joined_day=0 if place < 6 else rng.randrange(days // 2),
            )
        )
    return tuple(members)


def _voice(rng: Random, things: list[str]) -> Voice:
    tone = rng.choice(TONES)
    words = {
        key: tuple(rng.sample(choices, min(len(choices), rng.randint(1, 2))))
        for key, choices in tone.items()
    }
    case = rng.choices(("lower", "sentence", "upper"), (52, 40, 8))[0]
    tidy = case == "sentence"
    slang = tuple(rng.sample(SLANG, rng.randint(0, 3 if tidy else 12)))
    phrases = tuple(p.replace("%thing%", rng.choice(things)) for p in rng.sample(PHRASES, 2))
    phrases += tuple(_coin(rng, habit) for habit in rng.sample(HABITS, rng.randint(1, 3)))
    openers = (
        *rng.sample(OPENERS, 2),
        *(_coin(rng, s) for s in rng.sample(STARTS, rng.randint(0, 2))),
    )
    closers = (
        *rng.sample(CLOSERS, 2),
        *(_coin(rng, e) for e in rng.sample(ENDS, rng.randint(0, 2))),
    )
    return Voice(
        case=case,
        end_mark=rng.choice((".", ".", "!", "") if tidy else ("", "", "", "!", "...")),
        end_rate=rng.uniform(0.3, 1.0),
        question_mark_rate=rng.uniform(0.7, 1.0) if tidy else rng.uniform(0.2, 1.0),
        keeps_commas=1.0 if tidy else rng.choice((1.0, 0.7, 0.2)),
        keeps_apostrophes=tidy or rng.random() < 0.5,
        words=words,
        openers=openers,
        opener_rate=rng.uniform(0, 0.35),
        closers=closers,
        closer_rate=rng.uniform(0, 0.3),
        slang=slang,
        slang_rate=rng.uniform(0.4, 1.0),
        typo_rate=rng.choice((0.0, 0.0, 0.005, 0.015, 0.03)),
        emoji=tuple(rng.sample(EMOJI, 4)),
        emoji_rate=rng.choice((0.0, 0.03, 0.08, 0.2)),
        stretch_rate=rng.choice((0.0, 0.0, 0.05, 0.2)),
        split_rate=rng.choice((0.02, 0.05, 0.15, 0.4)),
        shout_rate=rng.choice((0.0, 0.0, 0.02)),
        fullness=rng.uniform(0.1, 0.95),
        catchphrases=phrases,
        catchphrase_rate=rng.uniform(0, 0.1),
    )


def _coin(rng: Random, pattern: str) -> str:
    """A pattern of other_words.py with words drawn for it."""
    return pattern.format(a=rng.choice(ADJECTIVES), n=rng.choice(NOUNS))


def _word_name(rng: Random) -> str:
    """A name out of words: Gravelhook, Saint Turnip, the kind that games have too."""
    noun = rng.choice(NOUNS).title()
    return rng.choice((noun + rng.choice(NOUNS), f"{rng.choice(TITLES)} {noun}"))


def _maker(rng: Random) -> str:
    """What stands before Hammer or Falls: a sound, a word or two."""
    return rng.choice((_name(rng), rng.choice(NOUNS).title(), _coin(rng, "{a} {n}").title()))


def _name(rng: Random) -> str:
    first, middle, last = SOUNDS
    return (
        rng.choice(first) + rng.choice(middle) + (rng.choice(last) if rng.random() < 0.6 else "")
    ).title()


def _entities(rng: Random) -> dict[str, tuple[str, ...]]:
    """Invented games, bosses, items, places and people, by sound and by pattern."""
    titles = (
        "of the Deep",
        "the Hungry",
        "the Unpaid",
        "the Second",
        "of Nine Teeth",
        "the Polite",
        "the Wide",
        "of the Hill",
        "the Sleepless",
        "the Tall",
        "the Late",
        "Stormborn",
    )
    kinds = (
        "Blade",
        "Staff",
        "Boots",
        "Cloak",
        "Helmet",
        "Gauntlets",
        "Bow",
        "Amulet",
        "Hammer",
        "Shield",
    )
    sorts = (
        "Keep",
        "Hollow",
        "Harbor",
        "Pass",
        "Ruins",
        "Marsh",
        "Heights",
        "Mines",
        "Forest",
        "Falls",
    )
    genres = ("Online", "Tactics", "Survival", "Quest", "Chronicles", "Racing", "Manager", "Rising")

    def many(count: int, make: Callable[[], str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(make() for _ in range(count)))

    return {
        "game": many(
            5, lambda: f"{_name(rng)} {rng.choice(genres)}" if rng.random() < 0.7 else _name(rng)
        ),
        "newgame": many(4, lambda: f"{_name(rng)} {rng.choice(genres)}"),
        "boss": many(
            9,
            lambda: _word_name(rng) if rng.random() < 0.5 else f"{_name(rng)} {rng.choice(titles)}",
        ),
        "item": many(10, lambda: f"the {_maker(rng)} {rng.choice(kinds)}"),
        "place": many(8, lambda: f"{_maker(rng)} {rng.choice(sorts)}"),
        "npc": many(
            6, lambda: rng.choice(("Old ", "Lady ", "Uncle ", "", "Sergeant ")) + _name(rng)
        ),
        "currency": (
            rng.choice(("gold", "shards", "coins", "credits", "scrap", "pearls", "crowns")),
        ),
    }
