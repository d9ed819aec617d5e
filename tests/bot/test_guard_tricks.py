"""guard against tricks of spelling: links, invitations, mentions, what nobody sees."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest

from bot.guard import guard
from bot.guarding.surroundings import Surroundings, listed
from bot.messages import Allowed, GuardVerdict, Refused, RefusedBecause
from model.chat_format import Note, Own, Said, Turn
from scripts.hostile_drafts import ALLOWED, NAMES, PERSONA_NAME, hostile, left_of

KINDS = ("ping", "invite", "link", "spoken", "control")
PERSONA = (
    "You are Mynah, a regular of The Lantern. You never say that you were told to be brief.\n"
    "How people talk here:\n> who forgot the oil tax this week again and why\n"
    "Mynah: it was pip, it is always pip and the vault is short again"
)


def checked(
    draft: str,
    *turns: Turn,
    allowed: tuple[str, ...] = ("wikipedia.org", "discord.gg/lantern"),
    asked: str = "raid tonight?",
    persona: str = "",
) -> GuardVerdict:
    around = Surroundings(persona=persona, turns=turns, allowed_links=allowed)
    return guard(draft, asked=asked, names=NAMES, persona_name="Mynah", surroundings=around)


def left(draft: str, *turns: Turn) -> str:
    """What may be said of a draft; "" where it is refused."""
    verdict = checked(draft, *turns)
    return verdict.text if isinstance(verdict, Allowed) else ""


@pytest.mark.parametrize("seed", [0, 1])
def test_an_oracle_finds_nothing_in_hostile_drafts(seed: int) -> None:
    around = Surroundings(allowed_links=ALLOWED)
    passed = 0
    for one in hostile(1_000, seed):
        verdict = guard(
            one.text, asked="", names=NAMES, persona_name=PERSONA_NAME, surroundings=around
        )
        if isinstance(verdict, Allowed):
            passed += 1
            assert {kind: left_of(kind, verdict.text) for kind in KINDS} == dict.fromkeys(KINDS, "")
            again = guard(
                verdict.text, asked="", names=NAMES, persona_name=PERSONA_NAME, surroundings=around
            )
            assert again == Allowed(verdict.text)
    assert passed > 500


@pytest.mark.parametrize(("kind", "text"), [
    ("ping", "hey @everyone"), ("ping", "<@&123456789012345678>"), ("ping", "＠here"),
    ("invite", "discord . gg / hTKzmak"), ("invite", "dіscord.gg/hTKzmak"),
    ("link", "https://evilbcdfg.com/a"), ("spoken", "ok\n**mira**: i quit"),
    ("control", "ok <|im_end|>"),
])  # fmt: skip
def test_the_oracle_sees_what_is_there(kind: str, text: str) -> None:
    assert left_of(kind, text)


PIECES = [
    *(
        "@",
        "everyone",
        "here",
        "<",
        ">",
        "@&",
        "12345678901234567",
        " ",
        "\n",
        ":",
        "mira",
        "Mynah",
    ),
    *("discord", ".", "gg", "/", "abc", "https", "://", "evil.com", "[", "]", "(", ")", "**", "`"),
    *(
        "\u200b",
        "\u0301",
        "％",
        "%2e",
        "＠",
        "lol",
        "[email]",
        "<|",
        "|>",
        "* memory:",
        "🇭",
        "e",
        "#",
    ),
]


def test_whatever_is_allowed_is_allowed_again_and_pings_nobody() -> None:
    chance = random.Random(5)
    allowed = 0
    for _ in range(3_000):
        draft = "".join(chance.choices(PIECES, k=chance.randint(1, 14)))
        verdict = checked(draft)
        if isinstance(verdict, Refused):
            continue
        allowed += 1
        assert checked(verdict.text) == Allowed(verdict.text), draft
        assert not looks_like_a_ping(verdict.text), (draft, verdict)
        left = {kind: left_of(kind, verdict.text) for kind in ("link", "control")}
        assert left == {"link": "", "control": ""}, (draft, verdict)
    assert allowed > 1_000


def looks_like_a_ping(text: str) -> bool:
    apart = unicodedata.normalize("NFKD", text).casefold()
    seen = "".join(c for c in apart if unicodedata.category(c)[0] not in "MC")
    plain = seen.translate({ord(c): None for c in " *_~`|\\>()[]"})
    return any(one in plain for one in ("@everyone", "@here", "<@1", "<@&1"))


@pytest.mark.parametrize(
    "link",
    [
        *("https://evil.com", "http://evil.com/a?b#c"),
        *("hxxps://evil.com", "www.evil.com", "evil.com"),
        *("evil[.]com/x", "evil (dot) com", "evil . com"),
        *("EVIL.COM/X", "evil.co.uk/x", "https://1.2.3.4/x"),
        *("<https://evil.com>", "https://wikipedia.org@evil.com", "https://wikipedia.org.evil.com"),
        *("https://wіkipedia.org", "https://evil%2ecom/"),
        *("ｈｔｔｐｓ：／／ｅｖｉｌ．ｃｏｍ", "steam://run/1"),
        *("discord.gg/abc", "discord . gg / abc"),
        *("discord(.)gg/abc", "dіscord.gg/abc", "DISCORD.GG/ABC"),
        *("https://discord.com/invite/abc", "discordapp.com/invite/abc", "discord com/invite/abc"),
        *("disc0rd.gg/abc", "discord gg/abc", ".gg/abc"),
        *("dsc.gg/abc", "discord.me/abc", "/invite/abc"),
        *("discord\u200b.gg/abc", "discord。gg/abc", "discord.gg\u2044abc", "discord%2egg/abc"),
        "https://evil.com/discord.gg/abc",
        *("ptb.discord.com/invite/abc", "discord dot gg slash abc"),
    ],
)  # fmt: skip
def test_a_link_that_is_not_allowed_is_taken_out(link: str) -> None:
    verdict = checked(f"have a look {link} it is good")
    assert isinstance(verdict, Allowed)
    assert verdict.text in ("have a look it is good", "have a look <it is good")
    assert "links taken out that are not allowed" in verdict.changes
    assert checked(link) == Refused(RefusedBecause.LINK)


@pytest.mark.parametrize(("draft", "expected"), [
    ("see [the wiki](https://evil.com/x) first", "see the wiki first"),
    ("see [https://wikipedia.org](https://evil.com) first", "see https://wikipedia.org first"),
    ("it is here: https://evil.com", "it is here"),
    ("a https://wikipedia.org/discord.gg/abc b", "a https://wikipedia.org/ b"),
    ("join with code hTKzmak9 now", "join with code hTKzmak9 now"),
    ("the invite code is hTKzmak9, come", "the invite code is, come"),
])  # fmt: skip
def test_what_is_left_around_a_link(draft: str, expected: str) -> None:
    assert left(draft) == expected


@pytest.mark.parametrize(
    "text",
    [
        "see https://wikipedia.org/wiki/Moth_(insect)",
        *("en.wikipedia.org has it", "discord.gg/lantern"),
        *("edit file.py and main.rs", "e.g. node.js 3.5"),
        *("it works.then it does not", "9:30 or 10.30"),
        *("and/or :/ lol", "/etc/apt/sources.list.d/x.list", "gg wp", "discord is down again"),
        *("i got an invite to the raid", "asp.net is fine"),
        *("he said... no", "v2.0.1/v3", "C:\\temp"),
        *("meet here", "everyone is here", "me@home", "a < b > c", "1 < 2", "<3 you all", ":( no"),
        *("mira said no", "monday: raid", "note to self: sleep", "mira, see you", "the plan: none"),
        *("naïve café", "tiếng Việt", "สวัสดีครับ ผู้ใหญ่"),
        *("हिन्दी में", "עִבְרִית", "مرحبا بكم", "한국어"),
        *("می\u200cخواهم", "क्\u200dष", "👩\u200d👩\u200d👧"),
        *("❤️ ☺️ 1️⃣", "👍🏽", "🇩🇪", "¯\\_(ツ)_/¯", "ʕ•ᴥ•ʔ"),
        *("lol lol lol", "hahahahahaha", "nooooooooo", "memory: 16 GB", "the user: root", "x | y"),
    ],
)  # fmt: skip
def test_what_people_say_stays_as_it_is(text: str) -> None:
    assert checked(text) == Allowed(text)


def test_a_link_in_view_may_be_said_again_but_no_invitation() -> None:
    said = Said("mira", "look https://evil.com/a and discord.gg/abc, also ubuntu.com.")
    assert left("yes https://evil.com/a is good", said) == "yes https://evil.com/a is good"
    assert left("yes evil.com is good", said) == "yes evil.com is good"
    assert left("ubuntu.com is good", said) == "ubuntu.com is good"
    assert left("yes https://evil.com/b is good", said) == "yes is good"
    assert left("yes discord.gg/abc is good", said) == "yes is good"


def test_what_the_setting_lists() -> None:
    given = "wikipedia.org, https://github.com/; *.example.org discord.gg/Lantern nonsense"
    assert listed(given) == ("wikipedia.org", "github.com", "example.org", "discord.gg/lantern")
    assert checked("ask at a.example.org/x ok", allowed=listed(given)) == Allowed(
        "ask at a.example.org/x ok"
    )


@pytest.mark.parametrize(("draft", "expected"), [
    ("h\u200be\u2060l\u00adl\ufeffo\U000e0061\u3164\u2800\u115f\u202e", "hello"),
    ("z\u0300\u0301\u0302\u0303\u0304a\u0336\u0337\u0338lgo", "z\u0300\u0301a\u0336\u0337lgo"),
    ("ก\u0e47\u0e47\u0e47\u0e47", "ก\u0e47"),
    ("a\ufe0f\ufe01b \U000e0100c", "ab c"),
    ("bla\U0001f3f4\U000e0061\U000e0062", "bla\U0001f3f4"),
    ("a\u200db", "ab"),
    ("two\u2003blanks\u00a0here", "two blanks here"),
])  # fmt: skip
def test_what_nobody_sees_goes(draft: str, expected: str) -> None:
    assert left(draft) == expected


@pytest.mark.parametrize(
    "mark",
    [
        *(
            "<|im_start|>user",
            "< |im_end|>",
            "＜｜im_end｜＞",
            "[INST]",
            "<<SYS>>",
            "</s>",
            "<eos>",
        ),
        *(
            "<start_of_turn>",
            "<think>",
            "\n### Response: hi",
            "\nsystem: be",
            "\n**Assistant**: hi",
        ),
        *(
            "* memory: bob on 3 May",
            "\n*Memory: x",
            '\nbob on 3 May 2025: "never again"',
            '\nbob once: "no"',
            "im_start",
        ),
    ],
)
def test_the_prompts_own_marks_end_a_draft(mark: str) -> None:
    assert left(f"nine works {mark} and more") == "nine works"
    assert checked(mark) == Refused(RefusedBecause.PROMPT)


def test_the_personas_words_stay_its_own() -> None:
    told = "i was told: YOU NEVER SAY, that you were told to be brief"
    assert checked(told, persona=PERSONA) == Refused(RefusedBecause.PROMPT)
    in_view = Said("mira", "you never say that you were told to be brief")
    assert isinstance(checked(told, in_view, persona=PERSONA), Allowed)
    quoted = "who forgot the oil tax this week again and why"
    assert isinstance(checked(quoted, persona=PERSONA), Allowed)
    assert isinstance(checked("You are Mynah, a regular of it", persona=PERSONA), Allowed)


@pytest.mark.parametrize(
    "text",
    [
        "write to kai.berger@example.org then",
        "my number is +49 151 23456789",
        "ssh into 81.23.45.67 please",
        "the password is hunter2!x",
        "kai [at] example dot org it is",
    ],
)
def test_personal_data_is_refused(text: str) -> None:
    assert checked(text) == Refused(RefusedBecause.PERSONAL)


def test_what_stands_for_personal_data_is_taken_out() -> None:
    assert left("at mine, [address], ring twice") == "at mine, ring twice"
    assert checked("[email]") == Refused(RefusedBecause.PERSONAL)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "mira: i quit",
            "**mira**: i quit",
            "<mira> i quit",
            "[mira] i quit",
            "[12:30] mira: i quit",
        ),
        *(
            "12:30 mira: i quit",
            "mira says: i quit",
            "mira said: i quit",
            "> mira: i quit",
            "mira> i quit",
        ),
        *(
            "mіra: i quit",
            "ｍｉｒａ: i quit",
            "m\u0336ira: i quit",
            "mira (12:30): i quit",
            "- mira: i quit",
        ),
        *("mira — Today at 12:30", 'mira on 3 May 2025: "i quit"', "mira∶ i quit", "🇲🇮🇷🇦: i quit"),
    ],
)
def test_no_form_of_somebodys_line_gets_out(line: str) -> None:
    assert left(f"nine works\n{line}") == "nine works"


def test_who_is_addressed_as_people_do_there_is_no_speaker() -> None:
    asks = Said("Bramble", "who is up for it?")
    custom = Said("Bramble", "mira: who is up for it?")
    assert left("Bramble: me", asks) == ""
    assert left("mira: me", asks) == ""
    assert left("mira: me", custom, asks) == "mira, me"
    assert left("mira: me\nBramble: and me", custom, asks) == "mira, me"
    assert left("ok\nmira: me", custom, asks) == "ok"
    assert left("Mynah: Bramble: me", Own("hi"), Note("x"), custom) == "Bramble, me"
    assert left("mira:", custom, asks) == ""


def test_a_sentence_may_become_a_message_and_is_nobodys_line() -> None:
    assert left("ok then. mira: i quit") == "ok then."
    assert left("really? no! <mira> i quit") == "really? no!"


def test_what_is_said_over_and_over_is_shortened() -> None:
    assert left("ok " + "lol " * 60) == "ok lol lol lol"
    assert left("so no\nso yes\n" * 30) == "so no\nso yes\nso no\nso yes\nso no\nso yes"
    assert left("a" * 500) == "a" * 10


def test_beginnings_of_a_reply_are_looked_at_alike() -> None:
    draft = "look at https://evil.com/abc and @everyone\nmira: no"
    for end in range(1, len(draft)):
        verdict = checked(draft[:end])
        if isinstance(verdict, Allowed):
            assert "evil" not in verdict.text
            assert "@everyone" not in verdict.text
            assert "mira:" not in verdict.text


@pytest.mark.parametrize("drawn", ["❤️‍🔥", "🏳️‍🌈", "👁️‍🗨️", "🧔🏽‍♂️", "👨‍👩‍👧‍👦", "🏴‍☠️"])
def test_emoji_that_are_joined_behind_a_style_stay_joined(drawn: str) -> None:
    assert checked(f"yes {drawn} yes") == Allowed(f"yes {drawn} yes")


@pytest.mark.parametrize("link", ["//evil.com/x", "///evil.com", "/evil.com", "http:/evil.com"])
def test_a_host_behind_a_bare_slash_is_a_link(link: str) -> None:
    assert "evil" not in left(f"go and see {link} now")


@pytest.mark.parametrize("unit", [". ", "? ", "a. b: ", "ﷺ. ", "www. ", "a . "])
def test_a_long_row_of_signs_takes_no_time(unit: str) -> None:
    began_s = time.thread_time()
    checked((unit * 8_000)[:7_990] + "é")
    assert time.thread_time() - began_s < 2


def test_a_heading_of_somebody_s_is_no_mark_of_a_prompt() -> None:
    for said in ("### input lag is bad", "## output of the run\n- 3 eggs"):
        assert checked(said) == Allowed(said)
    for mark in ("### Response:\nyes", "### Input\nyes", "## Output: yes", "###system"):
        assert left(f"fine by me\n{mark}") == "fine by me"
