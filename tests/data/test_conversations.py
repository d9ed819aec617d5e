"""Who answers whom: explicit replies, plain talk, odd channels, and the gold links of real logs."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace

from data.conversations import FULL_LINES, How, in_true_order, link
from data.preprocessor import clean
from scripts.conversation_score import score
from scripts.export_days import read_channels, read_links
from tests.data.talk import BEGAN_MS, CHANNEL, MEMBERS, MINUTE_MS, history, talk
from tests.shared import shared_path


def test_an_explicit_reply_wins() -> None:
    messages = talk(("mira", "anyone?"), ("bob", "soup"), ("kai", "bob: me"))
    messages[2] = replace(messages[2], reply_to_id=1)
    links = link(messages)
    assert links[3].parent_id == links[3].answers_id == 1
    assert links[3].how is How.REPLY
    assert links[3].confidence == 1.0


def test_an_explicit_reply_wins_over_any_distance() -> None:
    messages = talk(*[(("mira", "bob")[i % 2], f"line {i}") for i in range(900)])
    messages[890] = replace(messages[890], reply_to_id=2)
    links = link(messages)
    assert (links[891].parent_id, links[891].how) == (2, How.REPLY)


def test_a_reply_to_what_comes_later_or_to_itself_is_none() -> None:
    messages = talk(("mira", "soup?"), ("bob", "mira: no"), ("kai", "hi"))
    messages[1] = replace(messages[1], reply_to_id=3)
    messages[2] = replace(messages[2], reply_to_id=3)
    links = link(messages)
    assert How.REPLY not in {one.how for one in links.values()}
    assert links[2].parent_id == 1


def test_the_addressed_persons_last_line_is_answered() -> None:
    messages = talk(
        ("mira", "has anyone seen the patch?"),
        ("bob", "mira: no, which one"),
        ("kai", "@bob the one for the tavern"),
        ("bob", "kai, that is not out yet"),
    )
    links = link(messages)
    assert [links[i].answers_id for i in (2, 3, 4)] == [1, 2, 3]
    assert {links[i].conversation_id for i in (1, 2, 3, 4)} == {1}
    assert links[2].how is How.RANKED
    assert 0.3 < links[2].confidence <= 1


def test_whoever_goes_on_answers_what_the_others_said_meanwhile() -> None:
    messages = talk(("mira", "anyone?"), ("bob", "mira: me"), ("mira", "great"), ("mira", "at 9"))
    links = link(messages)
    assert links[3].answers_id == 2
    assert links[4].answers_id in {2, None}
    for one in links.values():
        answered = messages[one.answers_id - 1] if one.answers_id else None
        assert answered is None or answered.author_id != messages[one.message_id - 1].author_id


def test_who_waited_a_day_starts_anew() -> None:
    first, second = talk(("mira", "hi all"), ("mira", "how do I mount an iso?"))
    late = replace(second, created_at_ms=first.created_at_ms + 24 * 3600_000)
    assert link([first, late])[2].how is How.STARTS


def test_no_link_crosses_channels_and_the_order_given_does_not_matter() -> None:
    messages, _ = clean(history(1500)[0], MEMBERS)
    links = link(messages)
    channel_of = {message.message_id: message.channel_id for message in messages}
    for one in links.values():
        for other in (one.parent_id, one.answers_id, one.conversation_id):
            assert other is None or channel_of[other] == channel_of[one.message_id]
    shuffled = list(messages)
    random.Random(1).shuffle(shuffled)
    assert link(shuffled) == links
    assert in_true_order(shuffled) == in_true_order(messages)


def test_every_message_is_linked_to_an_earlier_one_or_starts() -> None:
    messages = in_true_order(clean(history(1500, seed=4)[0], MEMBERS)[0])
    links = link(messages)
    place = {message.message_id: number for number, message in enumerate(messages)}
    assert list(links) == [message.message_id for message in messages]
    for one in links.values():
        assert (one.parent_id is None) == (one.how is How.STARTS)
        assert 0 <= one.confidence <= 1
        if one.parent_id is not None:
            assert place[one.parent_id] < place[one.message_id]


def test_odd_channels() -> None:
    assert link([]) == {}
    only = talk(("mira", "hello?"))
    assert link(only)[1].how is How.STARTS
    emoji = [replace(m, name="🦀✨", text="🎉") for m in talk(*[("mira", "x")] * 5)]
    assert link(emoji)[1].how is How.STARTS
    assert len(link(emoji)) == 5
    alone = talk(*[("mira", f"note {i}") for i in range(200)])
    assert all(one.answers_id is None for one in link(alone).values())
    wordless = [replace(m, text="") for m in talk(*[("bob", "x"), ("mira", "y")] * 10)]
    assert len(link(wordless)) == 20


def test_identical_times_and_ids_out_of_order() -> None:
    lines = talk(*[(("mira", "bob", "kai")[i % 3], f"so what about {i}?") for i in range(90)])
    still = [replace(m, created_at_ms=BEGAN_MS) for m in lines]
    assert len(link(still)) == 90
    turned = [replace(m, message_id=1000 - m.message_id) for m in lines]
    links = link(turned)
    assert next(iter(links)) == 999
    assert all((one.parent_id or 1000) > one.message_id for one in links.values())


def test_a_silence_of_years_between_two_talks_parts_them() -> None:
    lines = talk(
        ("mira", "who has the key?"),
        ("bob", "mira: me"),
        ("kai", "any raid?"),
        ("Dove", "kai: yes"),
    )
    years = 3 * 365 * 24 * 60 * MINUTE_MS
    late = [replace(m, created_at_ms=m.created_at_ms + years) for m in lines[2:]]
    links = link([*lines[:2], *late])
    assert [links[i].conversation_id for i in (1, 2, 3, 4)] == [1, 1, 3, 3]


def test_a_channel_that_never_falls_silent_has_bounded_conversations() -> None:
    lines = [(("mira", "bob", "kai")[i % 3], f"line {i}") for i in range(950)]
    links = link(talk(*lines))
    sizes = Counter(one.conversation_id for one in links.values())
    assert max(sizes.values()) <= FULL_LINES
    assert sum(sizes.values()) == 950
    goes_on = [one for one in links.values() if one.conversation_id == one.message_id]
    assert any(one.how is How.RANKED and one.parent_id is not None for one in goes_on)


def test_an_explicit_reply_belongs_to_a_full_conversation_too() -> None:
    messages = talk(*[(("mira", "bob")[i % 2], f"line {i}") for i in range(150)])
    messages[140] = replace(messages[140], reply_to_id=3)
    links = link(messages)
    assert links[141].conversation_id == links[3].conversation_id


def test_links_are_found_fast_and_each_time_the_same() -> None:
    names = ("mira", "bob", "Dove", "kai")
    rng = random.Random(3)
    lines = [(rng.choice(names), f"{rng.choice(names)}: {rng.random()}") for _ in range(4000)]
    messages = [replace(m, channel_id=CHANNEL) for m in talk(*lines)]
    began = time.process_time()
    links = link(messages)
    assert time.process_time() - began < 4000 / 1000  # a third of what is promised
    assert link(messages) == links


def test_the_gold_links_of_real_logs_are_found() -> None:
    """Ten days of #ubuntu that nothing was fitted on; exact figures: docs/experiments.md."""
    folder = shared_path("data/ubuntu_irc/dev")
    channels = list(read_channels(folder).values())
    links = {k: one for day in channels for k, one in link(day).items()}
    found = {k: {one.parent_id or k} for k, one in links.items()}
    figures = score(read_links(folder / "links.tsv"), found)
    assert figures["link_f"] > 72
    assert figures["vi"] > 92
    assert figures["one_to_one"] > 80
    assert figures["exact_f"] > 40
