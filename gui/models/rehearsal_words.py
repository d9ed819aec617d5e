"""A rehearsal in words: why it spoke or kept silent, how it was received, what a fit would change.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gui.models.words import many
from storage.readonly import Moment

YES, NO, TOO_MUCH = "yes", "no", "too_much"
SPOKEN_ANSWERS = {YES: "Yes", NO: "No", TOO_MUCH: "Too much"}
SILENT_ANSWERS = {YES: "It should have spoken", TOO_MUCH: "Rightly silent"}
MEANINGS = (
    "Yes: right, say it. No: the wrong thing to say. Too much: it should have kept silent here."
)
UNASKED = "unasked"
"""How the reason begins of what it answers though nobody spoke to it (bot.messages.ReplyReason)."""
NEAR = 0.15
"""How far below the threshold a silent moment still is a near one."""


def answers_for(moment: Moment) -> Mapping[str, str]:
    """What may be answered on it, with the words of the buttons."""
    return SPOKEN_ANSWERS if moment.is_spoken else SILENT_ANSWERS


def why_words(moment: Moment) -> str:
    """Why it spoke or kept silent, as a line for people."""
    whys = [str(one) for one in moment.parts.get("why", ())]
    if moment.is_spoken and not moment.reason.startswith(UNASKED):
        return f"{moment.reason[:1].upper()}{moment.reason[1:]}"  # it was not weighed
    said = ", ".join(whys) if moment.is_spoken and whys else moment.reason
    if moment.verdict == "reply" and not moment.is_spoken:
        return f"It kept a draft back: {_in_words(moment.guard) or 'there was nothing to say'}."
    words = said[:1].upper() + said[1:]
    if not moment.is_spoken and whys:
        words += f" ({', '.join(whys)})"
    return f"{words} \u00b7 {_figures(moment)}" if _figures(moment) else words


def is_near(moment: Moment) -> bool:
    """Whether it kept silent by little: near the threshold, or held back by guard."""
    if moment.is_spoken:
        return False
    if moment.verdict == "reply":
        return True
    total, threshold = moment.parts.get("total"), moment.parts.get("threshold")
    return total is not None and threshold is not None and total >= threshold - NEAR


def _figures(moment: Moment) -> str:
    total, threshold = moment.parts.get("total"), moment.parts.get("threshold")
    if total is None or threshold is None:
        return ""
    return f"{total:.2f} of {threshold:.2f}"


def _in_words(name: str) -> str:
    return name.replace("_", " ")


# -- what a fit would change --------------------------------------------------------------------


def fit_rows(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What, now, then: heading first, then a row a value."""
    before, after = result["before"], result["after"]
    rows = [("", "Now", "Then")]
    for name, words, written in (
        ("response_rate", "Answers unasked", "{:.3g}"),
        ("speak_threshold", "Concern needed to speak", "{:.2f}"),
        ("replies", "Answers in this rehearsal", "{:,}"),
        ("agreement", "Your answers obeyed", "{:.0%}"),
    ):
        now, then = (_written(one.get(name), written) for one in (before, after))
        rows.append((words, now, then))
    return rows + _channel_rows(before["channels"], after["channels"])


def _channel_rows(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, str]]:
    known = {str(one["channel_id"]): one for one in before}
    coming = {str(one["channel_id"]): one for one in after}
    rows = []
    for channel_id in dict.fromkeys((*known, *coming)):
        cells = [_channel_cell(side.get(channel_id)) for side in (known, coming)]
        name = (coming.get(channel_id) or known[channel_id]).get("name") or channel_id
        rows.append((f"#{name}, of its own", cells[0], cells[1]))
    return rows


def _channel_cell(values: Mapping[str, Any] | None) -> str:
    if values is None:
        return "as everywhere"
    return f"{_written(values.get('response_rate'), '{:.3g}')}, " + _written(
        values.get("speak_threshold"), "{:.2f}"
    )


def _written(value: Any, form: str) -> str:
    return "\u2013" if value is None else form.format(value)


def fit_words(result: Mapping[str, Any]) -> str:
    """What stands above the table."""
    why = str(result.get("why", "")).strip()
    changed = len(result.get("changes", ()))
    if not result.get("is_enough", True) or not changes_something(result):
        return why or "Your answers ask for nothing else than what is set."
    told = f"Of what you answered, {many(changed, 'moment')} would go otherwise." if changed else ""
    return f"{why} {told}".strip()


def changes_something(result: Mapping[str, Any]) -> bool:
    """Whether applying it would set anything."""
    names = ("response_rate", "speak_threshold", "channels")
    return any(result["before"].get(name) != result["after"].get(name) for name in names)


# -- when -----------------------------------------------------------------------------------------

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MOST_HOURS = 72


def hours_of(
    moments: Sequence[Moment],
) -> tuple[int, tuple[tuple[float, float], ...], tuple[float, float]]:
    """How often it would have spoken, for a chart: the length of a bar in ms (an hour; a day for
    what is longer than three), (begin, count) of each bar, and the span of whole local days."""
    if not moments:
        return HOUR_MS, (), (0.0, float(DAY_MS))
    begin = _midnight(moments[0].at_ms, 0)
    end = _midnight(moments[-1].at_ms, 1)
    bucket_ms = HOUR_MS if end - begin <= MOST_HOURS * HOUR_MS else DAY_MS
    counted = Counter((one.at_ms - begin) // bucket_ms for one in moments if one.is_spoken)
    points = tuple((float(begin + n * bucket_ms), float(counted[n])) for n in sorted(counted))
    return bucket_ms, points, (float(begin), float(end))


def _midnight(at_ms: int, days_on: int) -> int:
    """Of this computer's clock; `days_on` days later."""
    day = datetime.fromtimestamp(at_ms / 1000).date() + timedelta(days=days_on)
    return int(datetime.combine(day, datetime.min.time()).astimezone().timestamp() * 1000)
