"""What `bench_reply.py` measured, as flat figures and as a table for people. Nothing is estimated:
a figure that was not measured is not there."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts.reply_baseline import Answer, RawRates
from scripts.reply_bot import MeasuredReply

Figure = float | int | str | bool
Figures = dict[str, Figure]

TARGETS = {
    "ttft_ratio": 1 / 20,
    "full_ratio": 1 / 7,
    "full_p95_ratio": 3 / 10,
    "prompt_tokens_after_ask_beyond_message_p50": 40,
    "decode_ratio": 0.97,
    "two_channels_ratio": 1.9,
    "model_load_s": 20,
    "pss_mb": 4000,
    "growth_percent": 2,
}
"""At most so much, but for decode_ratio: at least."""


@dataclass
class Measured:
    """Everything that one run measured, in order; filled while it runs."""

    given: Figures = field(default_factory=dict)
    """What was set, and what was measured once: rates, load time."""
    replies: list[MeasuredReply] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    raw: list[RawRates] = field(default_factory=list)
    not_sent: int = 0
    prompt_tokens: int = 0
    """All that were evaluated during the replay."""
    prompt_tokens_lost: int = 0
    """Of them, begun while reading along and thrown away for an ask elsewhere; at most."""
    tokens_told: int = 0
    """Of the lines that were told by the last reply."""
    pss_mb: list[float] = field(default_factory=list)
    load: Figures = field(default_factory=dict)
    """Of two channels, idling and growth."""


def figures(measured: Measured) -> Figures:
    """The flat object that --json prints."""
    out = dict(measured.given)
    out["replies"] = len(measured.replies)
    out["replies_not_sent"] = measured.not_sent
    if measured.replies:
        out |= _ours(measured.replies)
        out["total_prompt_tokens"] = measured.prompt_tokens
        out["total_prompt_tokens_lost"] = measured.prompt_tokens_lost
        out["total_tokens_told"] = measured.tokens_told
    if measured.answers:
        out |= _baseline(measured.answers)
    if measured.replies and measured.answers:
        for name, key in (
            ("ttft", "ttft_p50_s"),
            ("full", "full_p50_s"),
            ("full_p95", "full_p95_s"),
        ):
            out[f"{name}_ratio"] = round(float(out[key]) / float(out[f"baseline_{key}"]), 4)
    if measured.raw:
        ours = statistics.median(one.tokens_a_second for one in measured.replies)
        greedy = statistics.median(one.greedy for one in measured.raw)
        sampled = statistics.median(one.sampled for one in measured.raw)
        out["raw_decode_rate"] = round(greedy, 2)
        out["raw_decode_rate_same_sampler"] = round(sampled, 2)
        out["decode_ratio"] = round(ours / greedy, 4)
        out["decode_ratio_same_sampler"] = round(ours / sampled, 4)
    if measured.pss_mb:
        out["pss_mb"] = round(max(measured.pss_mb), 1)
    return out | measured.load


def _ours(replies: Sequence[MeasuredReply]) -> Figures:
    out: Figures = {
        **seconds("ttft", [one.ttft_s for one in replies]),
        **seconds("full", [one.full_s for one in replies]),
    }
    bursts = [one.full_s for one in replies if one.is_after_burst]
    out["replies_after_burst"] = len(bursts)
    if bursts:
        out["full_after_burst_p50_s"] = percentile(bursts, 50)
    for name, values in (
        ("prompt_tokens_after_ask", [one.evaluated_after_ask for one in replies]),
        ("asked_message_tokens", [one.asked_tokens for one in replies]),
        (
            "prompt_tokens_after_ask_beyond_message",
            [one.evaluated_after_ask - one.asked_tokens for one in replies],
        ),
        ("prompt_tokens", [one.prompt_tokens for one in replies]),
        ("decode_rate", [one.tokens_a_second for one in replies]),
    ):
        out[f"{name}_p50" if name != "decode_rate" else name] = round(statistics.median(values), 2)
    for stage in dict.fromkeys(name for one in replies for name, _ in one.stages_s):
        took = [sum(s for name, s in one.stages_s if name == stage) for one in replies]
        out[f"stage_{stage.replace(' ', '_')}_p50_s"] = percentile(took, 50)
    out["replies_with_unread_lines"] = sum(one.unread > 0 for one in replies)
    out["unread_lines"] = sum(one.unread for one in replies)
    out["replies_of_a_second_draft"] = sum(one.attempts > 1 for one in replies)
    out["replies_with_memories"] = sum(one.notes > 0 for one in replies)
    out["replies_found_by_vectors"] = sum("vectors" in one.found_by for one in replies)
    out["least_tokens_written"] = min(one.reply_tokens for one in replies)
    return out


def _baseline(answers: Sequence[Answer]) -> Figures:
    return {
        **seconds("baseline_ttft", [one.ttft_s for one in answers]),
        **seconds("baseline_full", [one.full_s for one in answers]),
        "baseline_replies": len(answers),
        "baseline_total_prompt_tokens": sum(one.prompt_tokens for one in answers),
        "baseline_least_tokens_written": min(one.reply_tokens for one in answers),
    }


def seconds(name: str, values: Iterable[float]) -> Figures:
    """p50, p95 and p99."""
    taken = list(values)
    return {f"{name}_p{p}_s": percentile(taken, p) for p in (50, 95, 99)}


def percentile(values: Sequence[float], percent: int) -> float:
    """By nearest rank, to a tenth of a millisecond."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 4)


def table(made: Figures) -> str:
    """One figure a line, with what is to be reached beside it."""
    width = max(map(len, made))
    lines = []
    for name, value in made.items():
        shown = (
            f"{value:,}" if isinstance(value, (int, float)) and value is not True else str(value)
        )
        aim = TARGETS.get(name)
        limit = "at least" if name == "decode_ratio" else "at most"
        lines.append(f"{name:<{width}}  {shown}" + (f"   ({limit} {aim:g})" if aim else ""))
    return "\n".join(lines)


# -- memory ---------------------------------------------------------------------------------------


def children() -> set[int]:
    """The processes below this one."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def pss_mb(model: Path, without: Collection[int]) -> float:
    """Megabytes (10^6) of this process and its children but `without`; each shared page counts in
    proportion. Elsewhere than on Linux: what each has for itself.

    The model's mapped file counts in whole: what shares it is the baseline, which the bot's machine
    does not run.
    """
    total = 0
    for pid in {psutil.Process().pid, *children()} - set(without):
        with suppress(psutil.Error, OSError):
            if sys.platform == "linux":
                total += _pss_bytes(pid, str(model.resolve()))
            else:
                total += int(psutil.Process(pid).memory_full_info().uss)
    return total / 1e6


def _pss_bytes(pid: int, model: str) -> int:
    """From /proc/PID/smaps: a line of addresses and file, then lines such as "Pss: 12 kB"."""
    total_kib, counted = 0, "Pss:"
    with Path(f"/proc/{pid}/smaps").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            first = line.split(maxsplit=1)[0]
            if not first.endswith(":"):
                counted = "Rss:" if line.rstrip().endswith(model) else "Pss:"
            elif first == counted:
                total_kib += int(line.split()[1])
    return total_kib * 1024
