"""How well a message was received: known communities, and what holds for any reactions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from data import reception
from data.emoji_weights import EmojiWeights
from data.preprocessor import CleanMessage
from data.reception import BAND_DAYS, NOTABLE, Reception, above, label
from storage.records import Origin, Reaction

BEGAN_MS = 1_700_000_000_000
BAND_MS = BAND_DAYS * 24 * 3600_000
WEIGHTS = EmojiWeights.shipped()
ANY_EMOJI = ("👍", "👍🏽", "❤️", "😂", "🔥", "👀", "🤔", "👎", "🤡", "🙄", ":pog:", ":our_own:")


def said(
    reactions: Sequence[tuple[str, int]] = (),
    *,
    author: int = 1,
    channel: int = 1,
    band: int = 0,
    not_learned: str = "",
) -> CleanMessage:
    return CleanMessage(
        1,
        channel,
        author,
        "mira",
        "words",
        BEGAN_MS + band * BAND_MS,
        Origin.SAMPLE,
        not_learned=not_learned,
        reactions=tuple(Reaction(*one) for one in reactions),
    )


def noted(*messages: CleanMessage) -> Reception:
    made = Reception(WEIGHTS)
    made.note(messages)
    return made


def many(count: int, reactions: Sequence[tuple[str, int]] = (), **where: Any) -> list[CleanMessage]:
    return [said(reactions, **where)] * count


# -- what is counted ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reactions", "good", "bad"),
    [
        ([("👍", 1)], 1, 0),
        ([("👍", 20)], 3, 0),
        ([("👍", 20), ("👍🏽", 20)], 3, 0),
        ([("👍", 20), ("❤️", 20), ("😂", 20)], 5, 0),
        ([("👍", 2), ("👎", 1)], 2, 1),
        ([("👎", 9)], 0, 3),
        ([("👀", 100)], 0.75, 0),
        ([("🤔", 100)], 0, 0),
        ([("👍", 3), ("❤️", 2), ("👀", 50)], 5, 0),
        ([("🤔", 50), ("👍", 2)], 2, 0),
        ([(":our_own:", 2)], 1, 0),
        ([("👍", 0), ("👎", -3)], 0, 0),
        ([], 0, 0),
    ],
)
def test_at_most_five_count_and_three_of_one(
    reactions: list[tuple[str, int]], good: float, bad: float
) -> None:
    assert noted().weigh(said(reactions).reactions) == (good, bad)


def drawn(rng: random.Random) -> list[tuple[str, int]]:
    chosen = rng.sample(ANY_EMOJI, rng.randint(0, 6))
    return [(emoji, rng.choice((1, 1, 2, 3, 8, 500))) for emoji in chosen]


def test_what_holds_for_any_reactions() -> None:
    community = noted(*many(300), *many(20, [("👍", 1)]), *many(5, [("👎", 1)]))
    for seed in range(500):
        rng = random.Random(seed)
        reactions = drawn(rng)
        good, bad = community.weigh(said(reactions).reactions)
        assert 0 <= good + bad <= 5
        score = community.score(said(reactions))
        assert (score is None) == all(WEIGHTS.of_emoji(emoji) == 0 for emoji, _ in reactions)
        # Neither the order matters, nor anything that is beyond what counts.
        assert community.score(said(rng.sample(reactions, len(reactions)))) == score
        assert community.score(said([(e, 1000 if n >= 500 else n) for e, n in reactions])) == score
        assert community.score(said([*reactions, ("🤔", 7)])) == score
        # A good reaction more never looks worse, a bad one never better.
        better = community.score(said([*reactions, (rng.choice(("👍", "👀", "❤️")), 1)]))
        worse = community.score(said([*reactions, (rng.choice(("👎", "🙄")), 1)]))
        assert better is not None
        assert worse is not None
        assert worse <= (score or 0.0) <= better


def test_more_people_do_not_make_a_larger_score_than_five() -> None:
    """The boost of the blend counts every reaction; the score does not follow it."""
    community = noted(*many(100))
    few = community.score(said([("👍", 3), ("❤️", 2)]))
    assert few == community.score(said([("👍", 300), ("❤️", 200), ("🔥", 100)]))


# -- against what is expected ---------------------------------------------------------------------


def test_where_nobody_reacts_one_thumb_is_much() -> None:
    quiet = noted(*many(200), *many(4, [("👍", 1)]))
    assert label(quiet.score(said([("👍", 1)]))) is True
    assert label(quiet.score(said([("👎", 1)]))) is False
    assert label(quiet.score(said([("👀", 2)]))) is None
    assert quiet.score(said([("👀", 2)])) == 0
    assert quiet.score(said()) is None
    assert label(None) is None


def test_where_everybody_reacts_one_thumb_is_nothing() -> None:
    loud = noted(*many(200, [("👍", 2)]))
    assert label(loud.score(said([("👍", 1)]))) is None
    assert label(loud.score(said([("👍", 2)]))) is None
    assert label(loud.score(said([("👍", 3), ("❤️", 2)]))) is True
    assert label(loud.score(said([("👎", 1)]))) is False
    assert label(loud.score(said())) is None  # silence is no verdict


def test_a_place_where_thumbs_down_are_a_game() -> None:
    game = noted(*many(200, [("👎", 2)], channel=1), *many(2000, channel=2))
    assert label(game.score(said([("👎", 2)], channel=1))) is None
    assert label(game.score(said([("👎", 2)], channel=2))) is False


def test_each_channel_author_and_age_has_its_own_measure() -> None:
    community = noted(
        *many(300, [("👍", 2)], channel=1, author=1),
        *many(300, channel=2, author=2),
        *many(300, [("👍", 2)], channel=3, author=3, band=4),
        *many(300, channel=3, author=4, band=0),
        *many(100, [("👍", 3)], channel=2, author=5),
    )
    one = [("👍", 1)]
    loud_channel = community.score(said(one, channel=1, author=9))
    quiet_channel = community.score(said(one, channel=2, author=9))
    assert loud_channel is not None
    assert quiet_channel is not None
    assert loud_channel < NOTABLE
    assert quiet_channel > loud_channel
    full_days = community.score(said(one, channel=3, author=9, band=4))
    early_days = community.score(said(one, channel=3, author=9, band=0))
    assert early_days is not None
    assert early_days > NOTABLE > (full_days or 0.0)
    liked = community.score(said(one, channel=2, author=5))
    other = community.score(said(one, channel=2, author=2))
    assert other is not None
    assert other > NOTABLE > (liked or 0.0)


def test_the_expected_value_is_the_formula() -> None:
    """By hand: 30 messages of author 1 with one thumb each, 70 of author 2 with none, one place."""
    community = noted(*many(30, [("👍", 1)], author=1), *many(70, author=2))
    rate = 30 / 100  # the same for the whole, the band, the channel and the place
    factor = (30 + 2) / (100 * 0.3 * 0.3 + 2)
    for author, expected in ((1, factor * rate), (3, rate)):
        score = community.score(said([("👍", 3)], author=author))
        assert score == pytest.approx(above(3, expected))


def test_little_is_known_of_few_messages() -> None:
    whole = many(1000)
    one_hit = noted(*whole, *many(1, [("👍", 3)], author=7, channel=7))
    many_hits = noted(*whole, *many(100, [("👍", 3)], author=7, channel=7))
    probe = said([("👍", 3)], author=7, channel=7)
    assert label(one_hit.score(probe)) is True
    assert label(many_hits.score(probe)) is None


def test_a_reply_in_several_messages_is_one() -> None:
    community = noted(*many(200), *many(10, [("👍", 1)]))
    together = community.score(said([("👍", 1)]), said([("👍", 1), ("❤️", 1)]))
    alone = community.score(said([("👍", 2), ("❤️", 1)]))
    assert together is not None
    assert alone is not None
    assert NOTABLE < together < alone  # over two messages more was to be expected
    assert community.score(said(), said()) is None


def test_who_may_not_be_learned_from_is_not_counted() -> None:
    probe = said([("👍", 1)])
    hidden = [said([("👍", 5)], not_learned="author opted out")] * 500
    assert noted(*many(50), *hidden).score(probe) == noted(*many(50)).score(probe)


def test_an_empty_history_and_strangers_have_scores_too() -> None:
    assert label(noted().score(said([("👍", 1)], author=5, channel=6, band=7))) is True


def test_the_order_of_the_history_does_not_matter() -> None:
    rng = random.Random(1)
    messages = [
        said(
            drawn(rng), author=rng.randint(1, 5), channel=rng.randint(1, 3), band=rng.randint(0, 3)
        )
        for _ in range(500)
    ]
    probe = said([("👍", 2)], author=3, channel=2, band=1)
    first = noted(*messages).score(probe)
    rng.shuffle(messages)
    assert noted(*messages).score(probe) == pytest.approx(first)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "MOST_CELLS", 10)
    community = noted(*(said([("👍", 1)], author=n) for n in range(1000)))
    assert len(community._cells) == 10
    assert community.score(said([("👍", 3)], author=999)) is not None


def test_which_emoji_leads() -> None:
    community = noted()
    first = community.leading(said([("👀", 50), ("😂", 2), ("👍🏽", 3)]))
    second = community.leading(said([(":Pog:", 1)]), said())
    assert [community.emoji[i] for i in (first, second)] == ["👍", ":pog:"]
    assert community.leading(said([("🤔", 3)])) == community.leading(said()) == -1
