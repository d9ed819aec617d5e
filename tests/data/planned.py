"""Plans and builds examples for the tests, out of small invented talk."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any

from data.budget import TokenCount
from data.conversations import Link, in_true_order, link
from data.examples import Example
from data.naming import EverydayWords, Renaming
from data.personas import Personas, PersonaText
from data.preprocessor import CleanMessage, clean
from data.split import TRAINING, Region, on_both_sides, split
from data.windows import PlannedExample, Planner, WindowOptions
from model.chat_format import encode, render_example
from tests.data.talk import CHANNEL, MEMBERS, LetterTokenizer, history

BLEND = Personas.blend(PersonaText("Mynah", "You are Mynah."))


def planners_of(
    messages: list[CleanMessage], personas: Personas = BLEND, **options: Any
) -> tuple[dict[int, Planner], dict[int, Link], dict[int, list[CleanMessage]]]:
    messages = in_true_order(messages)
    links = link(messages)
    everyday = EverydayWords(MEMBERS)
    everyday.note(messages)
    channels = {k: list(v) for k, v in groupby(messages, key=lambda m: m.channel_id)}
    planners = {
        channel_id: Planner(
            own,
            links,
            renaming=Renaming(MEMBERS, everyday.found()),
            personas=personas,
            count=TokenCount(LetterTokenizer()),
            options=WindowOptions(**{"max_tokens": 1024, **options}),
        )
        for channel_id, own in channels.items()
    }
    return planners, links, channels


def answering(messages: list[CleanMessage]) -> list[CleanMessage]:
    """The same, but what the last speaker said in a row explicitly replies to the line before it,
    so that no rule about who answers whom is needed."""
    at = len(messages) - 1
    while at > 0 and messages[at - 1].author_id == messages[at].author_id:
        at -= 1
    if at == 0 or messages[at].reply_to_id is not None:
        return messages
    reply = replace(messages[at], reply_to_id=messages[at - 1].message_id)
    return [*messages[:at], reply, *messages[at + 1 :]]


def outcomes_of(
    messages: list[CleanMessage], personas: Personas = BLEND, **options: Any
) -> tuple[Planner, list[PlannedExample | str]]:
    """Of a single channel, all of it for training; its last line is `answering`."""
    messages = answering(messages)
    planner = planners_of(messages, personas, **options)[0][CHANNEL]
    return planner, list(planner.plan([Region(CHANNEL, 0, len(messages), TRAINING)], {}))


def outcome_of_last(messages: list[CleanMessage], **options: Any) -> PlannedExample | str:
    return outcomes_of(messages, **options)[1][-1]


def last_example(messages: list[CleanMessage], **options: Any) -> Example:
    planner, outcomes = outcomes_of(messages, **options)
    plans = [one for one in outcomes if not isinstance(one, str)]
    return planner.build(plans[-1])


class Built:
    """All examples of an invented history, and what they were made from."""

    def __init__(self, messages: list[CleanMessage], **options: Any) -> None:
        self.planners, self.links, self.channels = planners_of(messages, **options)
        regions = split(self.channels, self.links, seed=1)
        torn = on_both_sides(regions, self.channels, self.links)
        self.outcomes: list[PlannedExample | str] = []
        for channel_id, planner in self.planners.items():
            own = [region for region in regions if region.channel_id == channel_id]
            self.outcomes += planner.plan(own, torn)
        self.plans = [one for one in self.outcomes if not isinstance(one, str)]
        self.examples = [self.planners[plan.channel_id].build(plan) for plan in self.plans]


@cache
def built_history(count: int = 1500, **options: Any) -> Built:
    return Built(clean(history(count)[0], MEMBERS)[0], **options)


def hidden(messages: list[CleanMessage], *names: str) -> list[CleanMessage]:
    """The same, but what these said may not be shown."""
    return [
        replace(m, text="", not_shown="no", not_learned="no") if m.name in names else m
        for m in messages
    ]


def assert_exact(example: Example, max_tokens: int) -> None:
    segments = render_example(example.persona, example.turns, example.reply)
    ids, learned = encode(segments, LetterTokenizer())
    assert len(ids) == example.tokens <= max_tokens
    assert sum(learned) == example.learned_tokens


def with_rare_words(messages: list[CleanMessage]) -> list[CleanMessage]:
    """The same, each line with a word that comes back 137 lines later."""
    return [
        replace(m, text=f"{m.text} about some rare{i % 137}word") if m.text else m
        for i, m in enumerate(messages)
    ]
