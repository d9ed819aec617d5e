"""The Lantern: our hand-made community of twelve, with six channels and eighteen months."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from data.samples.cast import Channel, Community, Member, Plant, snowflake
from data.samples.community import write_exports
from data.samples.lantern_bank import BANK
from data.samples.lantern_voices import VOICES

START = datetime(2023, 2, 6, tzinfo=timezone.utc)
DAYS = 548  # 18 months
_BEGAN_MS = int(START.timestamp() * 1000)


def _id(number: int) -> str:
    return snowflake(_BEGAN_MS - 400_000_000 + number * 86_411, number)


def _member(
    number: int,
    name: str,
    nick: str,
    activity: float,
    peak_hour: float,
    awake_hours: float,
    facts: str,
    likes: dict[str, float],
    weekend: float = 1.0,
    joined_day: int = 0,
) -> Member:
    keys = ("pet", "food", "drink", "gpu", "class", "job", "hobby", "genre")
    return Member(
        id=_id(100 + number),
        name=name,
        nick=nick,
        voice=VOICES[nick],
        activity=activity,
        peak_hour=peak_hour,
        awake_hours=awake_hours,
        weekend=weekend,
        likes=likes,
        facts=dict(zip(keys, facts.split("; "), strict=True)),
        joined_day=joined_day,
    )


MEMBERS = (
    _member(
        1,
        "brambleknight",
        "Bramble",
        20,
        22.5,
        6,
        "Biscuit; cold pizza; energy drinks; RTX 3060; bog witch; a night shift at a bakery;"
        " skateboarding; drum and bass",
        {"raids": 1.6, "bet": 2.5, "cooking": 0.6},
    ),
    _member(
        2,
        "wren.ledger",
        "Wren",
        15,
        19.5,
        5,
        "Mister Pim; mushroom risotto; earl grey; RX 6700; shield scribe; a city archive;"
        " bookbinding; choir music",
        {"raids": 1.8, "rules": 4, "raid_time": 2.5, "memes": 0.4},
    ),
    _member(
        3,
        "tinkerpot",
        "Tinker",
        12,
        20,
        6,
        "Sprocket; beans on toast; builder's tea; RTX 4070; bombardier; a repair shop;"
        " soldering; folk metal",
        {"tech": 4, "hardware": 2, "mods": 2, "lore": 0.5},
    ),
    _member(
        4,
        "mossy.creek",
        "Mossy",
        10,
        17.5,
        6,
        "Duckweed; miso soup; mint tea; a tiny laptop; reed shepherd; a plant nursery;"
        " knitting; lo-fi",
        {"fishing": 5, "pets": 2, "media": 1.6, "raids": 0.5},
    ),
    _member(
        5,
        "kestrel_up",
        "Kestrel",
        9,
        21,
        5,
        "Turbo; hot wings; iced coffee; RTX 4080; storm lancer; a climbing gym;"
        " bouldering; synthwave",
        {"speedruns": 4, "raids": 1.6, "loot": 2},
        weekend=1.5,
    ),
    _member(
        6,
        "dov",
        "Dov",
        7,
        23.5,
        5,
        "Potato; toast; black coffee; GTX 1060; undertaker; night security; crosswords; jazz",
        {"joke_war": 2, "tabletop": 1.5},
    ),
    _member(
        7,
        "pipsqueakery",
        "Pip",
        8,
        16.5,
        5,
        "Beanie; chicken nuggets; strawberry milk; RTX 3050; lamp imp; college and a cinema job;"
        " roller derby; city pop",
        {"memes": 4, "school": 5, "media": 1.4, "lore": 0.6},
    ),
    _member(
        8,
        "old_harrow",
        "Harrow",
        5,
        18.5,
        4,
        "Duchess; roast potatoes; decaf; RX 580; stone warden; a bus depot;"
        " birdwatching; bluegrass",
        {"tabletop": 2, "weather": 4, "builds": 0.7},
        weekend=1.4,
    ),
    _member(
        9,
        "saffi.simmers",
        "Saffi",
        5,
        18,
        5,
        "Nutmeg; shakshuka; cardamom coffee; RTX 2060; hearth cleric; a hotel kitchen;"
        " baking; old love songs",
        {"cooking": 6, "life": 1.4, "hardware": 0.3},
        joined_day=9,
    ),
    _member(
        10,
        "quill_of_ash",
        "Quill",
        4,
        21.5,
        6,
        "Ibid; lentil stew; oolong; RTX 3070; ash oracle; a bookshop; writing letters; ambient",
        {"lore": 9, "tabletop": 2.5, "loot": 0.5},
    ),
    _member(
        11,
        "vexation",
        "Vex",
        3,
        23,
        5,
        "Goblin; instant noodles; cola; RTX 3080; blood piper; a call center; drumming; industrial",
        {"patch": 3, "bugs": 2, "boss_tactics": 2},
        joined_day=47,
    ),
    _member(
        12,
        "nimbus.soft",
        "Nimbus",
        2,
        15.5,
        6,
        "Puff; strawberry cake; cocoa; an old tablet; cloud dancer; a flower stall;"
        " watercolors; harp music",
        {"media": 2, "weather": 3, "hobbies": 3},
        joined_day=130,
    ),
)
EXCLUDED_MEMBER_IDS = (MEMBERS[10].id, MEMBERS[11].id)  # Vex and Nimbus opted out of learning

DICE_BOT = Member(_id(201), "rollo-the-rock", "Rollo the Rock", VOICES["Dov"], is_bot=True)
MUSIC_BOT = Member(_id(202), "mothbox", "Mothbox", VOICES["Dov"], is_bot=True)


def _channel(
    number: int, name: str, category: int, about: str, tags: str, weight: float
) -> Channel:
    names = ("The Lamp Room", "Out in the Dark")
    return Channel(
        id=_id(300 + number),
        name=name,
        category=names[category],
        category_id=_id(290 + category),
        about=about,
        tags=tuple(tags.split()),
        weight=weight,
    )


CHANNELS = (
    _channel(1, "the-hearth", 0, "sit down, say hello. soup count: 0 days", "general", 34),
    _channel(2, "raid-table", 1, "times, tactics, tears", "raids", 20),
    _channel(3, "field-notes", 1, "everything in and about the games", "games", 17),
    _channel(4, "gallery", 0, "pictures and crimes", "media", 9),
    _channel(5, "dice-night", 1, "Sundays. Bring your own excuses.", "tabletop", 6),
    _channel(6, "pantry", 0, "life, food, work, wires", "life tech", 14),
)

ENTITIES = {
    "game": ("Emberfall", "Saltmarsh Saga", "Hollow Kart", "Tiny Dreadnought", "Barrow Tycoon"),
    "newgame": ("Emberfall Two", "Moonpit Racers", "A Quiet Bog", "Grimble Island"),
    "boss": (
        "the Tallow King",
        "Marrowjaw",
        "Old Mother Wick",
        "the Drowned Choir",
        "Gristlefen",
        "the Glass Abbot",
        "Sister Soot",
        "Thornback Lou",
    ),
    "item": (
        "the Cinder Spoon",
        "Wickbreaker",
        "the Patient Ring",
        "Mudlark Boots",
        "a Soot Crown",
        "the Ninth Candle",
        "Bellrope",
        "the Widow's Oar",
        "Fenglass",
        "the Honest Knife",
    ),
    "place": (
        "Lowlamp",
        "the Wax Vaults",
        "Gallows Ferry",
        "Crickethollow",
        "the Sunken Abbey",
        "Peatgate",
        "Far Smoke",
        "the Long Pantry",
    ),
    "npc": (
        "Ferryman Odd",
        "Aunt Tallow",
        "Captain Brine",
        "the Lamplighter",
        "Little Hesper",
        "Brother Moth",
    ),
    "currency": ("wicks", "drops of oil"),
}

SAYINGS = (
    "that's [a solid|at least|barely] [three|four|two] lanterns",
    "five lanterns, [fully lit|no notes]",
    "worse than the soup incident<, and I was there>",
    "[remember|this is] the soup incident [all over again|part two]",
    "Gerald [would not|would] approve<, ask him yourself>",
    "somebody [pay|add that to] the oil tax",
    "[keep the wick dry|wick up], {friend}<, it's only {boss}>",
    "that goes on the [ladder|soup] board",
    "ladle [first|down], questions later",
    "[light it|lit]. [fully lit|four lanterns]. :lantern_lit:",
    "out of oil [again|already], aren't we :lantern_out:",
)

PLANTS = (
    Plant(
        "mara.voss@example.com",
        "what's your email, for the guild calendar?",
        "mara.voss@example.com but don't spam me",
    ),
    Plant(
        "tinker.pot@example.org",
        "where do I send the invoice for the fan?",
        "tinker.pot@example.org, subject line: fan",
    ),
    Plant(
        "saffi.recipes@example.com",
        "can you mail me the dumpling recipe?",
        "sure, write to saffi.recipes@example.com and I answer with the pdf",
    ),
    Plant(
        "h.harrow1961@example.org",
        "is your old address still working?",
        "no, use h.harrow1961@example.org now",
    ),
    Plant(
        "pip.nk@example.com",
        "what's the account name for the cinema tickets?",
        "pip.nk@example.com i think, or my mum's",
    ),
    Plant(
        "quill.letters@example.com",
        "how do I submit a theory?",
        "By post, or quill.letters@example.com if you must",
    ),
    Plant(
        "+1 202-555-0143",
        "can you text me when the raid starts?",
        "sure, send me yours, mine is +1 202-555-0143",
    ),
    Plant(
        "+44 7700 900417", "what's your number for the meetup?", "+44 7700 900417, call before 9"
    ),
    Plant(
        "+44 7700 900882",
        "is there a phone for the repair shop?",
        "the shop is +44 7700 900882, ask for me",
    ),
    Plant(
        "+1 202-555-0178", "did you change your number?", "yes it's +1 202-555-0178 since monday"
    ),
    Plant("(202) 555-0119", "number for the bakery?", "(202) 555-0119, say bramble sent you"),
    Plant(
        "14 Wickham Lane, Flat 3",
        "where do I post the knitted frog?",
        "14 Wickham Lane, Flat 3, leave it with the neighbour",
    ),
    Plant(
        "221 Copper Mill Road",
        "where is the climbing gym?",
        "we live two doors down, 221 Copper Mill Road, come by!!",
    ),
    Plant(
        "9 Tern Court, Saltby", "what address goes on the parcel?", "9 Tern Court, Saltby. Thanks."
    ),
    Plant(
        "48 Juniper Street",
        "where's the tabletop meetup?",
        "at mine, 48 Juniper Street, ring twice",
    ),
    Plant("192.0.2.44", "what's the ip of the test server?", "192.0.2.44, no password yet"),
    Plant(
        "192.0.2.117:25565",
        "how do I join the build server?",
        "192.0.2.117:25565, whitelist is off",
    ),
    Plant("192.0.2.201", "which address is your router?", "it says 192.0.2.201 here"),
    Plant("Mara Voss", "who do I ask for at the archive?", "Mara Voss, second floor, that's me"),
    Plant("Desmond Harrow", "what name is the table booked under?", "Desmond Harrow, party of six"),
)
PLANTED_PERSONAL_DATA = tuple(plant.secret for plant in PLANTS)

ODDITIES = (
    "they renamed the cafÃ© to â€œThe Gobletâ€\x9d and the menu looks like this",
    "🎉🎉🎉🎂🎂🕯️🕯️🕯️ happy lantern day 🏮🏮🏮🏮🏮 🥳🥳",
    "the sign in game says ï¿½ï¿½ï¿½ Lowlamp ï¿½ï¿½ï¿½",
    "z̷a̷l̷g̷o̷ soup is ready",
    "👨‍👩‍👧‍👦🏳️‍🌈🧑🏽‍🍳 is one emoji each and the old client shows eleven boxes",
    "Don\u2019t \u201cfix\u201d the soup\u200b ladle \u2026 please\u00a0",
    "shopping list:\n- leeks (no)\n- oil\n- wicks x40\n- one (1) apology card",
)


def lantern() -> Community:
    """The community, whole and always the same."""
    return Community(
        id=_id(1),
        name="The Lantern",
        members=MEMBERS,
        dice_bot=DICE_BOT,
        music_bot=MUSIC_BOT,
        channels=CHANNELS,
        entities=ENTITIES,
        sayings=SAYINGS,
        extra_bank=BANK,
        custom_emoji=("lantern_lit", "lantern_out", "soup_no", "gerald", "ladle", "wick"),
        start=START,
        days=DAYS,
        plants=PLANTS,
        oddities=ODDITIES,
        thread_titles=("marrowjaw notes", "soup inquiry", "base plans", "movie poll"),
    )


def write_lantern(out_dir: Path, seed: int = 7, message_count: int = 20_000) -> list[Path]:
    """Write the community's exports; the paths, text channels first and threads last."""
    return write_exports(lantern(), out_dir, seed, message_count)
