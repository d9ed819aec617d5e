"""bot/commands.py: who may order what, what is answered, and what stays unanswered."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.answers import MOST_CHARS
from bot.commands import Answer, BotData, BotStatus, ChannelCount, Order, Orders
from bot.durations import duration_text, parse_duration_s
from bot.messages import IncomingMessage, Rights
from bot.order_table import TABLE
from storage.database import DatabaseError
from storage.records import FIRST_SNOWFLAKE, ChannelRecord, MemberRecord, VerdictRow
from storage.settings import SETTINGS, Settings, Value, find, parse, to_text
from tests.bot.scene import BOB, GUILD_ID, MIRA, ROBOT, START_MS, TAVERN, incoming

NOW_MS = START_MS + 2_000_000
TWIN = MemberRecord(105, "other_bob", "Bob the Builder")
EVERYONE = (MIRA, BOB, TWIN)


class Bot:
    """What orders need of the bot, in memory."""

    privacy: Any = None
    """Tested over Discord's own protocol: platforms/test_discord_privacy.py."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.overrides: dict[str, Value] = {}
        self.here: dict[int, dict[str, str]] = {}
        """Channels' own values, as the database keeps them."""
        self.did: list[object] = []
        self.rows: list[VerdictRow] = []
        self.data = BotData()
        self.state: BotStatus = {}

    def settings(self) -> Settings:
        live = {k: v for k, v in self.values.items() if find(k).live}
        return Settings({**live, **self.overrides})

    async def set_setting(self, name: str, text: str) -> Value:
        self.values[name] = parse(find(name), text)
        return self.values[name]

    def personas(self) -> list[str]:
        return ["night-owl", "template"]

    def persona_in(self, channel: ChannelRecord) -> str:
        return f"Night owl speaks in {channel.name}."

    async def settings_in(self, channel_id: int) -> Settings:
        return self.settings().overlaid(self.here.get(channel_id, {}))

    async def set_in_channel(self, channel_id: int, name: str, text: str | None) -> Settings:
        rows = self.here.setdefault(channel_id, {})
        rows.pop(name, None)
        if text is not None:
            rows[name] = to_text(find(name), parse(find(name), text))
        return await self.settings_in(channel_id)

    async def status(self) -> BotStatus:
        return self.state

    async def restart(self) -> None:
        self.did.append("restart")

    async def fetch(self, channel_id: int) -> str:
        self.did.append(("fetch", channel_id))
        return "Fetching 3 channels; I say here when it is done."

    async def train(self, channel_id: int) -> str:
        raise RuntimeError("secret words of an exception")

    async def botdata(self) -> BotData:
        return self.data

    async def why(self, channel_id: int, n: int) -> list[VerdictRow]:
        self.did.append(("why", channel_id, n))
        return self.rows[:n]

    async def set_quiet(self, channel: ChannelRecord, until_ms: int) -> None:
        self.did.append(("quiet", channel, until_ms))

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        if member_id == FIRST_SNOWFLAKE + 404:
            raise DatabaseError("There is no such member.")
        self.did.append(("exclude", member_id, is_excluded))

    async def find_members(self, text: str) -> list[MemberRecord]:
        wanted = text.casefold()
        return [m for m in EVERYONE if wanted in (str(m.member_id), m.name, m.nickname.casefold())]

    def now_ms(self) -> int:
        return NOW_MS


@pytest.fixture
def bot() -> Bot:
    return Bot()


def said(
    text: str,
    rights: Rights = Rights.ADMIN,
    *,
    age_s: float = 1,
    backfill: bool = False,
    mentioned: tuple[int, ...] = (),
    answers: bool = False,
    author: MemberRecord = MIRA,
) -> IncomingMessage:
    message = incoming(text, author=author)
    at_ms = NOW_MS - int(age_s * 1000)
    record = replace(
        message.record,
        created_at_ms=at_ms,
        mentioned_ids=mentioned,
        reply_to_id=12 if answers else None,
    )
    return replace(message, record=record, rights=rights, is_backfill=backfill)


def recognised(bot: Bot, message: IncomingMessage) -> Order | None:
    return Orders(bot).recognise(message)


async def answered(
    bot: Bot, text: str, *more: Rights, mentioned: tuple[int, ...] = (), answers: bool = False
) -> Answer:
    orders = Orders(bot)
    order = orders.recognise(said(text, *more, mentioned=mentioned, answers=answers))
    assert order is not None
    return await orders.carry_out(order)


async def text_of(bot: Bot, text: str) -> str:
    answer = await answered(bot, text)
    assert not answer.private
    return answer.text


@pytest.mark.parametrize("text", ["!status", "  !STATUS", "!Status\n", "!status \n "])
def test_an_order_is_recognised_in_any_case(bot: Bot, text: str) -> None:
    order = recognised(bot, said(text))
    assert order is not None
    assert (order.name, order.argument, order.guild_id) == ("status", "", GUILD_ID)


@pytest.mark.parametrize(
    "text", ["!foo", "!", "! status", "!statuses", "status", "say !status", "!!status", "!status."]
)
def test_what_is_no_order_of_ours_is_none(bot: Bot, text: str) -> None:
    assert recognised(bot, said(text)) is None


@pytest.mark.parametrize("spec", TABLE, ids=lambda spec: spec.name)
def test_a_stranger_gets_silence_and_a_moderator_little(bot: Bot, spec: object) -> None:
    name = spec.name  # type: ignore[attr-defined]
    for_all = name in ("privacy", "about")
    assert (recognised(bot, said(f"!{name}", Rights.MEMBER)) is not None) == for_all
    may = recognised(bot, said(f"!{name}", Rights.MODERATOR)) is not None
    assert may == (for_all or name in ("quiet", "lurk", "help"))
    assert recognised(bot, said(f"!{name}", Rights.ADMIN)) is not None


def test_a_bot_gives_no_orders(bot: Bot) -> None:
    assert recognised(bot, said("!status", author=ROBOT)) is None


def test_what_was_ordered_too_long_ago_is_not_done(bot: Bot) -> None:
    assert recognised(bot, said("!fetch", backfill=True, age_s=59)) is not None
    assert recognised(bot, said("!fetch", backfill=True, age_s=61)) is None
    assert recognised(bot, said("!fetch", age_s=120)) is not None
    assert recognised(bot, said("!fetch", age_s=901)) is None, "replayed after a laptop's sleep"
    assert recognised(bot, said("!restart", backfill=True)) is None, "it would restart for ever"


@pytest.mark.parametrize("rights", [Rights.ADMIN, Rights.MODERATOR])
@pytest.mark.parametrize("text", ["!setrate 0.2", " !Exclude bob", "!restart the campaign"])
def test_an_order_is_no_talk_however_old(bot: Bot, text: str, rights: Rights) -> None:
    orders = Orders(bot)
    assert orders.is_order(said(text, rights, backfill=True, age_s=9e6))
    assert orders.is_order(said(text, rights))


def test_what_others_say_is_talk(bot: Bot) -> None:
    orders = Orders(bot)
    assert not orders.is_order(said("!setrate 0.2", Rights.MEMBER))
    assert not orders.is_order(said("!setrate 0.2", author=ROBOT))
    assert not orders.is_order(said("!roll 2d6"))
    assert orders.is_order(said("!privacy show", Rights.MEMBER, age_s=9e6)), "kept nowhere"
    assert not orders.is_order(said("I said !setrate 0.2"))


@pytest.mark.parametrize(
    ("order", "now"),
    [
        (
            "!setrate 0.2",
            "Response rate is now 0.2 (it was 0.05; it can be a number from 0.0 to 1.0).",
        ),
        ("!SETTEMP 1", "Temperature is now 1.0 (it was 0.7; it can be a number from 0.0 to 1.0)."),
        (
            "!setmaxlen 200",
            "Max reply tokens is now 200 tokens (it was 120 tokens; it can be a whole number "
            "from 50 to 500 tokens).",
        ),
        ("!setrate", "Response rate is 0.05. It can be a number from 0.0 to 1.0."),
        ("!setrate 2", 'response_rate is a number from 0.0 to 1.0; "2" is not.'),
        ("!setrate nan", 'response_rate is a number from 0.0 to 1.0; "nan" is not.'),
        (
            "!setmaxlen 49",
            'max_reply_tokens is a whole number from 50 to 500 tokens; "49" is not.',
        ),
    ],
)
async def test_a_setting_is_set_or_the_range_is_named(bot: Bot, order: str, now: str) -> None:
    assert await text_of(bot, order) == now


@pytest.mark.parametrize(
    ("orders", "now"),
    [
        (
            ["!setrate 0.2 here"],
            "Response rate here is now 0.2 (it was 0.05; elsewhere it is 0.05).",
        ),
        (
            ["!setrate 0.2 here", "!setrate here"],
            "Response rate here is 0.2 (where nothing else was said: 0.05). It can be a number "
            "from 0.0 to 1.0, or default.",
        ),
        (
            ["!setrate 0.2 here", "!setrate 0.5"],
            "Response rate is now 0.5 (it was 0.05; it can be a number from 0.0 to 1.0).",
        ),
        (
            ["!setrate 0.5", "!setrate 0.2 here", "!setrate DEFAULT Here"],
            "Response rate here is now 0.5 (it was 0.2; elsewhere it is 0.5).",
        ),
        (["!setrate 7 here"], 'response_rate is a number from 0.0 to 1.0; "7" is not.'),
        (["!settemp 0.5 here"], 'temperature is a number from 0.0 to 1.0; "0.5 here" is not.'),
        (["!lurk on"], "Lurk here is now on (it was off; elsewhere it is off)."),
        (["!lurk on here"], "Lurk here is now on (it was off; elsewhere it is off)."),
        (["!lurk on", "!lurk off"], "Lurk here is now off (it was on; elsewhere it is off)."),
        (
            ["!lurk"],
            "Lurk here is off (where nothing else was said: off). It can be on or off, or default.",
        ),
        (["!lurk maybe"], 'lurk is on or off; "maybe" is not.'),
        (
            ["!quiethours 23:00-07:30, 13:00-14:00 here"],
            "Quiet hours here is now 23:00-07:30, 13:00-14:00 (it was empty; elsewhere it is "
            "empty).",
        ),
        (
            ["!quiethours 25:00-07:30"],
            "quiet_hours is hours such as 23:00-07:30, several with commas, or off; "
            '"25:00-07:30" is not.',
        ),
    ],
)
async def test_a_channel_may_have_a_value_of_its_own(bot: Bot, orders: list[str], now: str) -> None:
    assert [await text_of(bot, order) for order in orders][-1] == now


async def test_a_slash_command_may_be_meant_for_this_channel(bot: Bot) -> None:
    orders = Orders(bot)
    offered = {one.name: one.by_channel for one in orders.slash()}
    assert offered["setrate"]
    assert not any(offered[name] for name in ("settemp", "lurk"))
    order = orders.slash_order(
        "setrate", "0.3 here", channel_id=77, guild_id=5, member_id=1, rights=Rights.ADMIN
    )
    assert order is not None
    await orders.carry_out(order)
    assert bot.here == {77: {"response_rate": "0.3"}}


def test_every_setting_with_a_command_has_its_order() -> None:
    commands = {setting.command for setting in SETTINGS if setting.command}
    assert commands <= {f"!{spec.name}" for spec in TABLE}
    assert len({spec.name for spec in TABLE}) == len(TABLE)


async def test_a_persona_is_shown_or_chosen_among_those_that_there_are(bot: Bot) -> None:
    for text in ("!persona", "!persona here"):
        assert await text_of(bot, text) == "Night owl speaks in tavern."
    await text_of(bot, "!persona night-owl")
    assert bot.values["persona_file"] == "night-owl"
    wrong = 'There is no persona "ghost"; there are: night-owl, template, default.'
    for text in ("!persona ghost", "!persona ghost here"):
        assert await text_of(bot, text) == wrong
    assert bot.values["persona_file"] == "night-owl"


async def test_a_setting_that_something_overrides_says_so(bot: Bot) -> None:
    bot.overrides["response_rate"] = 0.5
    text = await text_of(bot, "!setrate 0.2")
    assert text.startswith("Response rate is stored as 0.2, and counts")


async def test_status_is_a_few_lines(bot: Bot) -> None:
    bot.state = {
        "phase": "online",
        "uptime_s": 2 * 86_400 + 3 * 3600 + 59,
        "model": "lantern_1",
        "memory_mb": 311.7,
        "seen": 12_345,
        "answered": 321,
        "failed": 0,
        "errors": 2,
        "p50_s": 1.04,
        "p95_s": 3.46,
        "latency_ms": 48.3,
    }
    assert (await text_of(bot, "!status")).splitlines() == [
        "**State** Online, up 2 d 3 h",
        "**Model** lantern\\_1",
        "**Response rate** 0.05",
        "**Silent** nobody accepted a rehearsal yet",
        "**Memory** 312 MB",
        "**24 hours** 321 replies to 12,345 messages, half within 1.0 s, 95% within 3.5 s, "
        "2 errors",
        "**Discord** 48 ms away",
    ]


async def test_status_shows_what_is_known(bot: Bot) -> None:
    bot.values["speaks_in_public"] = True
    bot.state = {"phase": "connecting", "p50_s": None, "latency_ms": None, "answered": 0}
    assert await text_of(bot, "!status") == (
        "**State** Connecting\n**Response rate** 0.05\n**24 hours** 0 replies"
    )


async def test_restart_is_answered_before_it_happens(bot: Bot) -> None:
    answer = await answered(bot, "!restart")
    assert bot.did == []
    assert answer.then is not None
    await answer.then()
    assert bot.did == ["restart"]


async def test_orders_without_an_argument_take_no_chatter(bot: Bot) -> None:
    answer = await answered(bot, "!restart the campaign, who is in?")
    assert answer.then is None
    assert answer.text == "Nothing may stand behind `!restart`; it was not carried out."


async def test_what_goes_wrong_is_answered_without_its_words(bot: Bot) -> None:
    assert await text_of(bot, "!train") == "That went wrong (RuntimeError); the log says more."
    assert (await text_of(bot, "!fetch")).startswith("Fetching 3 channels")


async def test_botdata_names_channels_with_their_counts(bot: Bot) -> None:
    listed = ChannelCount(FIRST_SNOWFLAKE + 1, "tavern", 1200)
    old = ChannelCount(7, "old_room", 3000, is_listed=False)
    bot.data = BotData(
        (listed, old), 17, 4000, "demo-base", "It came back.", 800, NOW_MS - 90_000_000
    )
    assert (await text_of(bot, "!botdata")).splitlines() == [
        "**Stored** 4,200 messages of 17 members in 2 channels",
        "**Memory** 4,000 messages with a vector",
        "**Model** demo-base",
        "It came back.",
        "**Training set** 800 examples, 1 d 1 h old",
        "old\\_room 3,000 (not listed: not read any more)",
        f"<#{FIRST_SNOWFLAKE + 1}> 1,200",
    ]


async def test_botdata_of_an_empty_home(bot: Bot) -> None:
    text = await text_of(bot, "!botdata")
    assert text.splitlines()[-2:] == ["**Model** none", "**Training set** none yet"]


async def test_five_hundred_channels_still_make_one_message(bot: Bot) -> None:
    bot.data = BotData(tuple(ChannelCount(FIRST_SNOWFLAKE + n, "x", n) for n in range(500)))
    text = await text_of(bot, "!botdata")
    assert len(text) <= MOST_CHARS
    assert text.endswith("\n...")
    assert re.fullmatch(r"<#\d+> \d+", text.splitlines()[-2])


async def test_why_shows_verdicts_with_reason_time_and_link(bot: Bot) -> None:
    bot.rows = [
        VerdictRow(
            91, 500, 1_700_000_000_999, "reply", "addressed by name", outcome="sent", total_s=1.26
        ),
        VerdictRow(90, 500, 1_700_000_000_000, "silent", "channel_quiet", "2 h"),
    ]
    text = await text_of(bot, "!why")
    link = f"[jump](<https://discord.com/channels/{GUILD_ID}/500/"
    assert text.splitlines() == [
        f"<t:1700000000:R> **reply**: addressed by name, sent after 1.3 s {link}91>)",
        f"<t:1700000000:R> **silent**: channel\\_quiet (2 h) {link}90>)",
    ]
    assert bot.did == [("why", TAVERN.channel_id, 5)]
    assert len((await text_of(bot, "!why 1")).splitlines()) == 1


@pytest.mark.parametrize("argument", ["0", "21", "-1", "many", "1.5", "９９９９", "²"])
async def test_why_names_its_range(bot: Bot, argument: str) -> None:
    assert "from 1 to 20" in await text_of(bot, f"!why {argument}")


async def test_why_where_nothing_was_said(bot: Bot) -> None:
    assert await text_of(bot, "!why") == "Nothing was said here since I can remember."


@pytest.mark.parametrize(
    ("argument", "seconds", "shown"),
    [
        ("30m", 1800, "30 min"),
        ("2H", 7200, "2 h"),
        ("1 d", 86_400, "1 d"),
        ("90 minutes", 5400, "1 h 30 min"),
        ("7d", 604_800, "7 d"),
        ("", 3600, "1 h"),
    ],
)
async def test_a_moderator_quiets_the_channel(
    bot: Bot, argument: str, seconds: int, shown: str
) -> None:
    answer = await answered(bot, f"!quiet {argument}", Rights.MODERATOR)
    until_ms = NOW_MS + seconds * 1000
    assert bot.did == [("quiet", TAVERN, until_ms)]
    assert answer.text == (
        f"Quiet here for {shown}, until <t:{until_ms // 1000}:t>. `!quiet off` ends it."
    )


async def test_quiet_ends(bot: Bot) -> None:
    assert await text_of(bot, "!quiet OFF") == "Speaking here again."
    assert bot.did == [("quiet", TAVERN, 0)]


@pytest.mark.parametrize("argument", ["8d", "0m", "30s", "30", "for a while", "-1h", "1h30m", "²h"])
async def test_quiet_names_its_range(bot: Bot, argument: str) -> None:
    assert "from 1m to 7d" in await text_of(bot, f"!quiet {argument}")
    assert bot.did == []


@pytest.mark.parametrize(
    ("argument", "mentioned", "member_id"),
    [
        ("mira", (), 101),
        ("@Mira", (), 101),
        ("@a new nickname", (101,), 101),
        ("@newcomer", (FIRST_SNOWFLAKE + 8,), FIRST_SNOWFLAKE + 8),
        ("@Bob the Builder", (105,), 105),
        ("101", (), 101),
        ("<@!101>", (), 101),
        ("@mira", (102, 101), 101),  # an answer mentions whom it answers
        (str(FIRST_SNOWFLAKE + 9), (), FIRST_SNOWFLAKE + 9),  # has not said anything yet
    ],
)
async def test_a_member_is_excluded_and_taken_back_in_private(
    bot: Bot, argument: str, mentioned: tuple[int, ...], member_id: int
) -> None:
    answer = await answered(bot, f"!exclude {argument}", mentioned=mentioned)
    assert answer.private
    assert f"`!include {member_id}` takes that back" in answer.text
    back = await answered(bot, f"!include {argument}", mentioned=mentioned)
    assert back.private
    assert bot.did == [("exclude", member_id, True), ("exclude", member_id, False)]


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("Bob the Builder", "name of 2 members; name one by id. Bob the Builder (bob): 102, Bob"),
        ("nobody", 'Nobody here is called "nobody"'),
        ("", "Say who: `!exclude` and an id"),
        (str(FIRST_SNOWFLAKE + 404), "There is no such member."),
        ("9" * 30, "Nobody here is called"),
        ("@Bob the Builder", "name of 2 members"),
    ],
)
async def test_nobody_and_several_are_said_in_private(bot: Bot, argument: str, says: str) -> None:
    answer = await answered(bot, f"!exclude {argument}")
    assert answer.private
    assert says in answer.text
    assert bot.did == []


@pytest.mark.parametrize(
    ("argument", "mentioned", "member_id"),
    [
        ("@bob", (101,), 102),  # typed by hand
        ("@Bob the Builder", (101, 105), 105),  # of two of the name the mentioned one
        ("@whoever that is", (101,), None),
    ],
)
async def test_who_is_answered_is_not_meant_by_that(
    bot: Bot, argument: str, mentioned: tuple[int, ...], member_id: int | None
) -> None:
    answer = await answered(bot, f"!exclude {argument}", mentioned=mentioned, answers=True)
    assert bot.did == ([] if member_id is None else [("exclude", member_id, True)])
    assert ("Nobody here is called" in answer.text) == (member_id is None)


async def test_help_lists_what_the_asker_may_use(bot: Bot) -> None:
    everything = await text_of(bot, "!help me please")
    shown = re.findall(r"`!(\w+)", everything)
    assert shown == [spec.name for spec in TABLE if not spec.is_hidden]
    assert "`!setmaxlen 50-500 tokens`" in everything
    assert "`!privacy show|export|optin|optout|forget`" in everything
    assert "exclude" not in everything
    little = (await answered(bot, "!help", Rights.MODERATOR)).text
    assert re.findall(r"`!(\w+)", little) == ["quiet", "lurk", "help", "privacy", "about"]


@pytest.mark.parametrize("ping", ["@everyone", "@here", "@Everyone", "<@101>", "<@!101>", "<@&5>"])
async def test_no_answer_pings(bot: Bot, ping: str) -> None:
    for order in (f"!setrate {ping}", f"!exclude {ping}x{ping}"):
        answer = await answered(bot, order)
        assert ping not in answer.text
        assert not re.search(r"@(everyone|here)|<@[!&]?\d", answer.text, re.IGNORECASE)


def test_slash_commands_are_made_from_the_same_table(bot: Bot) -> None:
    offered = {one.name: one for one in Orders(bot).slash()}
    assert "exclude" not in offered
    rate = offered["setrate"].argument
    assert rate is not None
    assert (rate.kind, rate.low, rate.high, rate.is_required) == ("number", 0.0, 1.0, False)
    assert offered["setmaxlen"].argument is not None
    assert offered["setmaxlen"].argument.kind == "integer"
    assert offered["quiet"].rights is Rights.MODERATOR
    for one in offered.values():  # Discord's own limits
        assert re.fullmatch(r"[a-z]{1,32}", one.name)
        assert 1 <= len(one.description) <= 100
        argument = one.argument
        assert argument is None or 1 <= len(argument.help) <= 100
        assert argument is None or re.fullmatch(r"[a-z_]{1,32}", argument.name)


async def test_a_slash_command_is_the_same_order(bot: Bot) -> None:
    orders = Orders(bot)

    def given(name: str, value: object, rights: Rights = Rights.ADMIN) -> Order | None:
        return orders.slash_order(
            name, value, channel_id=1, guild_id=GUILD_ID, member_id=101, rights=rights
        )

    order = given("setrate", 0.25)
    assert order is not None
    assert (await orders.carry_out(order)).text.startswith("Response rate is now 0.25")
    assert given("setrate", 0.25, Rights.MODERATOR) is None
    assert given("exclude", "mira") is None
    assert given("nonsense", None) is None
    fetch = given("fetch", None)
    assert fetch is not None
    await orders.carry_out(fetch)
    quiet = given("quiet", "off", Rights.MODERATOR)
    assert quiet is not None
    await orders.carry_out(quiet)
    here = ChannelRecord(1, GUILD_ID, "", "")
    assert bot.did == [("fetch", 1), ("quiet", here, 0)]
    asked = given("setmaxlen", None)
    assert asked is not None
    assert (await orders.carry_out(asked)).text.startswith("Max reply tokens is 120 tokens.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86_400, "1 d"), (-5, "0 s")],
)
def test_durations_are_shown_by_their_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_durations_are_bounded() -> None:
    assert parse_duration_s("1m") == 60
    assert parse_duration_s("10080m") == 604_800
    assert parse_duration_s("10081m") is None
