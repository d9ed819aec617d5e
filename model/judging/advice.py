"""What to do about a low score: by the metric that takes most off it.

What helps is ours, from docs/experiments.md and docs/training.md, and no law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.judging.judge import Judgement
from model.judging.score import Measured

WORTH_SAYING = 2.0
"""Of the score, below which a metric is not named."""


@dataclass(frozen=True)
class Advice:
    """One thing to do."""

    tone: str
    """good, note or warn."""
    title: str
    text: str


def takes_off(found: Judgement, one: Measured) -> float:
    """How many points the score would be higher if this one metric were at its ceiling."""
    weights = sum(each.metric.weight for each in found.score.measured)
    return found.score.value * (2.718281828 ** (one.lost / weights) - 1)


def advice(found: Judgement, needed: float) -> list[Advice]:
    """What costs most first; then whether it may be deployed."""
    said = [_verdict(found, needed)]
    costly = sorted(found.score.measured, key=lambda one: -takes_off(found, one))
    for one in costly:
        if (points := takes_off(found, one)) >= WORTH_SAYING:
            title = f"{one.metric.title}: takes {points:.0f} points off."
            said.append(Advice("warn", title, _REMEDIES[one.metric.key](found, one)))
    if found.unfinished > found.replies * 0.05:
        said.append(
            Advice(
                "warn",
                f"{found.unfinished} of {found.replies} replies did not end.",
                "They were cut at max_reply_tokens. It has not learned where replies end: more "
                "epochs, or a look at the base's chat layout (scripts/check_model.py).",
            )
        )
    if found.score.left_out:
        what = ", ".join(found.score.left_out).lower()
        said.append(
            Advice(
                "note",
                f"Not measured: {what}.",
                "Without an embedder (python scripts/5_build_memory.py makes one), or because the "
                "members' own replies do not show it here either. The score is of the others.",
            )
        )
    if (gain := found.expected.gain) is not None and gain < 2 * (found.expected.gain_error or 0):
        said.append(
            Advice(
                "warn",
                "It does not use its context.",
                f"Reading what was said before takes {gain:.2f} nats a token off a real reply: no "
                "more than chance. Longer examples (--max_length), more of them, or another "
                "base.",
            )
        )
    return said


def _verdict(found: Judgement, needed: float) -> Advice:
    if found.score.value >= needed:
        return Advice(
            "good",
            f"It may be deployed: {needed:g} was asked for.",
            "In the window: Models. On the command line: python scripts/6_manage_models.py deploy "
            "VERSION. Read the worst replies below first.",
        )
    return Advice(
        "warn",
        f"It is not deployed: {needed:g} is asked for.",
        "Do the first of these, train again and judge again. Who wants it all the same says why: "
        'python scripts/6_manage_models.py deploy VERSION --force --why "..."',
    )


def _length(found: Judgement, one: Measured) -> str:
    model, real = found.characters
    if model > real:
        return (
            f"Its replies have {model:.0f} characters, the members' {real:.0f}: too long. "
            "Train longer (an untrained base rambles), or lower max_reply_tokens."
        )
    return (
        f"Its replies have {model:.0f} characters, the members' {real:.0f}: too short. "
        "A lower temperature makes for short replies; else more examples of long ones are needed."
    )


def _habits(found: Judgement, one: Measured) -> str:
    most = sorted(found.habits, key=lambda h: -abs(h.model - h.real))[:3]
    listed = "; ".join(f"{h.name}: {h.model:.0%}, members {h.real:.0%}" for h in most)
    return f"{listed}. This is learned early: train longer, or with a higher rate."


def _assistant(found: Judgement, one: Measured) -> str:
    listed = ", ".join(f"{name} ({count})" for name, count in found.assistant.items())
    return (
        f"{listed or 'the manner of an assistant'}. The base's upbringing shows: more epochs, a "
        "higher learning rate, or a base that was instructed less."
    )


def _telling(found: Judgement, one: Measured) -> str:
    return (
        f"A reader of letters tells it from members with an AUC of {one.distance:.2f}, members "
        f"from each other with {one.ceiling:.2f}. The worst replies show by what. More epochs "
        "where the validation loss still falls, more history, or a larger base."
    )


def _expects(found: Judgement, one: Measured) -> str:
    return (
        f"It takes {one.distance:.2f} bits a byte for held-out replies; the community's others "
        f"tell them letter by letter with {one.ceiling:.2f}. It has not learned this community: "
        "train longer or on more examples. Where the training loss is far lower, it learned by "
        "heart: fewer epochs, more history."
    )


def _says(text: str) -> Callable[[Judgement, Measured], str]:
    return lambda found, one: text


_REMEDIES: dict[str, Callable[[Judgement, Measured], str]] = {
    "expects": _expects,
    "telling": _telling,
    "length": _length,
    "vocabulary": _says(
        "It uses other words than the members do. More epochs, a higher rank (lora r), or more "
        "history; a lower temperature where the words are none at all."
    ),
    "order": _says(
        "Its words follow each other as they do not here: either broken (a lower temperature, more "
        "training, a larger base) or smoother than people write (fewer frequent lines among the "
        "examples, a higher temperature)."
    ),
    "habits": _habits,
    "meaning": _says(
        "It talks about other things than the members. Look at which channels the examples are of, "
        "and whether the persona says what is not so."
    ),
    "fit": _says(
        "Its replies have little to do with what was said before. A lower temperature helps at "
        "once; longer examples and more of them, or a larger base, help for good."
    ),
    "variety": _says(
        "It varies its words otherwise than the members do. Too little: a higher temperature, or "
        "fewer epochs. Too much: a lower temperature."
    ),
    "repetition": _says(
        "It says the same again. Set repeat_penalty to 1.05-1.1, raise the temperature a little, "
        "or train fewer epochs; look for lines that the examples hold too often."
    ),
    "echo": _says(
        "It repeats what was just said. More examples with a context (not pairs alone), more "
        "epochs; repeat_penalty does not see the context."
    ),
    "assistant": _assistant,
}
