"""Pretraining windows: the served layout, one persona each, notes now and then."""

from __future__ import annotations

from data.samples.community import simulate
from data.samples.corpus import windows
from data.samples.others import other_community
from model.chat_format import Note, Own, Said

TEXT = "You are {name}, a regular of {server}."


def test_every_window_has_a_persona_that_speaks() -> None:
    community = other_community(5)
    simulation = simulate(community, 5, 800)
    made = list(windows(simulation, 5, TEXT, ("Mynah",)))
    assert made == list(windows(simulation, 5, TEXT, ("Mynah",)))
    assert len(made) > 60
    nicks = {member.nick for member in community.members}
    bots = {community.dice_bot.nick, community.music_bot.nick}
    for window in made:
        assert window.persona.endswith(f"a regular of {community.name}.")
        assert any(isinstance(turn, Own) for turn in window.turns)
        speakers = {turn.name for turn in window.turns if isinstance(turn, Said)}
        assert speakers <= nicks
        assert not speakers & bots
    assert any(isinstance(turn, Note) for window in made for turn in window.turns)
