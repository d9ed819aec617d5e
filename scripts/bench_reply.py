"""Measures replies while real channels are replayed: ours, the usual layout's, and raw llama.cpp's.

    python scripts/bench_reply.py --model X.gguf --replay FILES --baseline http://127.0.0.1:8080/v1
    python scripts/bench_reply.py --model X.gguf --replay FILES --baseline-server llama-server

Text arrives at 60% of the prompt rate measured at the start, the silences in their proportions.
Asks come at seeded points, half of them within 2 s of a burst (5 lines within a second). The real
intake, pipeline, engine and memory answer, in this process; the time runs from the moment when the
intake is told to the first message sent. Each ask is then put to the server (system prompt and the
last 25 messages anew) and to a raw decode loop behind as many tokens, while the replay stands still
and ours computes nothing. Every reply has --reply-tokens tokens: what ends a turn ends none here.
While a reply is written nobody talks, as time is compressed: its seconds are minutes of the real
channel. With --talk-on others do, at the same pace.

Ctrl+C ends it with what was measured so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.generate import sampling
from model.embedder import copy_embedder
from model.inference import Sampling
from model.model_server import ModelServer
from scripts.edge import add_json, ending_in_a_sentence, stop_when_terminated
from scripts.reply_baseline import (
    RawLoop,
    Shown,
    UsualLayout,
    reached,
    started_raw_loop,
    started_server,
)
from scripts.reply_bot import MeasuredReply, ReplayedBot, bench_settings, opened_bot
from scripts.reply_figures import Measured, children, figures, pss_mb, table
from scripts.reply_load import growth, idle, two_channels
from scripts.reply_replay import IN_VIEW, Replay, ReplayLine, Wanted, prepare
from scripts.reply_telling import Telling
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home
from storage.settings import Settings

ARRIVING = 0.6
"""Of the measured prompt rate."""

RATE_TOKENS = 1024
"""Of the prompt that its rate is measured with: about what the usual layout sends."""
RATE_TIMES = 3


class BenchError(MynahError):
    """Nothing can be measured."""


@dataclass(frozen=True)
class Beside:
    """What ours is measured against."""

    usual: UsualLayout | None
    raw: RawLoop
    sampling: Sampling
    processes: frozenset[int]
    """They are none of the bot's."""


async def measure(home: Home, replay: Replay, arguments: argparse.Namespace, out: Measured) -> None:
    """Everything that was asked for, into `out` as it is measured."""
    settings = bench_settings(
        seed=arguments.seed,
        context_tokens=arguments.context_tokens,
        threads=arguments.threads,
        use_mmap=arguments.mmap == "on",
    )
    lines = replay.lines
    before = children()
    async with opened_bot(
        home,
        arguments.model,
        settings,
        reply_tokens=arguments.reply_tokens,
        begin_ms=lines[-1].at_ms + 1000,
    ) as bot:
        bots = children() - before
        out.given["model_load_s"] = round(bot.load_s, 2)
        threads = bot.engine.threads
        out.given |= {"threads": threads[0], "batch_threads": threads[1]}
        out.given["context_tokens"] = bot.engine.context_tokens
        rate = await prompt_rate(bot, lines)
        out.given["prompt_rate"] = round(rate, 1)
        note(f"the prompt rate is {rate:.1f} tokens a second with {threads} threads")
        if arguments.replies:
            async with beside(arguments, settings, bot, bots) as others:
                talks_on = arguments.talk_on
                telling = Telling(bot, replay, ARRIVING * rate, arguments.seed, talks_on=talks_on)
                out.given["tokens_a_second_arriving"] = round(telling.rate, 1)
                await replay_all(bot, replay, others, telling, arguments, out)
        await load_phases(bot, replay, rate, arguments, out)


async def prompt_rate(bot: ReplayedBot, lines: list[ReplayLine]) -> float:
    """Tokens a second of rendered lines, evaluated as a prompt: the median of three."""
    ids: list[int] = []
    for line in lines:
        ids += bot.engine.tokenizer.text_ids(line.shown)
    ids = ids[: min(RATE_TOKENS, bot.engine.context_tokens // 2)]
    rates = []
    for _ in range(RATE_TIMES):
        made = await asyncio.to_thread(
            bot.engine.generate_blocking, ids, sampling=Sampling(max_tokens=1), fresh=True
        )
        rates.append(made.evaluated_tokens / made.prompt_s)
    bot.engine.forget(None)
    return statistics.median(rates)


@asynccontextmanager
async def beside(
    arguments: argparse.Namespace, settings: Settings, bot: ReplayedBot, bots: set[int]
) -> AsyncIterator[Beside]:
    """The server and the raw loop, started where they are ours to start."""
    async with AsyncExitStack() as stack:
        chosen = replace(sampling(settings, arguments.seed), max_tokens=arguments.reply_tokens)
        server = None
        threads, context_tokens = bot.engine.threads, bot.engine.context_tokens
        if arguments.baseline_server:
            note("starting the baseline's server")
            server = await stack.enter_async_context(
                started_server(
                    arguments.baseline_server,
                    arguments.model,
                    context_tokens=context_tokens,
                    threads=threads,
                )
            )
        elif arguments.baseline:
            server = await reached(ModelServer.of(arguments.baseline, "", os.environ))
        raw = await stack.enter_async_context(
            started_raw_loop(
                arguments.model,
                context_tokens=context_tokens,
                threads=threads,
                use_mmap=settings.switch("model_mmap"),
            )
        )
        usual = UsualLayout(server, arguments.reply_tokens, chosen) if server else None
        yield Beside(usual, raw, chosen, frozenset(children() - bots))


async def replay_all(
    bot: ReplayedBot,
    replay: Replay,
    others: Beside,
    telling: Telling,
    arguments: argparse.Namespace,
    out: Measured,
) -> None:
    """Ask after ask: ours first, then the others while the replay stands still."""
    begun_tokens, begun_lost = bot.engine.all_evaluated, bot.engine.evaluated.lost
    for number, stretch in enumerate(replay.stretches):
        asked = await telling.up_to_the_ask(number)
        shown = bot.in_view(asked.line.channel.channel_id)
        await telling.while_it_is_written(number, asked)
        async with telling.standing_still():
            reply = await bot.outcome(asked, stretch.is_after_burst)
            out.prompt_tokens = bot.engine.all_evaluated - begun_tokens
            out.prompt_tokens_lost = bot.engine.evaluated.lost - begun_lost
            out.tokens_told = telling.tokens_told
            out.pss_mb.append(pss_mb(arguments.model, others.processes))
            said = f"not sent: {bot.why_not_sent}"
            if reply is None:
                out.not_sent += 1
            else:
                out.replies.append(reply)
                said = await compare(bot, others, asked.line, shown, reply, out)
            note(f"reply {number + 1} of {len(replay.stretches)}: {said}")


async def compare(
    bot: ReplayedBot,
    others: Beside,
    line: ReplayLine,
    shown: list[Shown],
    reply: MeasuredReply,
    out: Measured,
) -> str:
    """The same ask through the others; a line for people."""
    said = f"ours {reply.ttft_s:.2f} / {reply.full_s:.2f} s"
    if others.usual is not None:
        answer = await others.usual.reply(bot.persona(line), shown)
        out.answers.append(answer)
        said += f", baseline {answer.ttft_s:.2f} / {answer.full_s:.2f} s"
    raw = await others.raw.measure(reply.prompt_tokens, reply.reply_tokens, others.sampling)
    out.raw.append(raw)
    beyond = reply.evaluated_after_ask - reply.asked_tokens
    burst = ", after a burst" if reply.is_after_burst else ""
    unread = f", {reply.unread} lines left out" if reply.unread else ""
    return (
        f"{said}, {reply.tokens_a_second:.2f} against {raw.greedy:.2f} tokens a second, "
        f"{beyond} prompt tokens beyond the message{unread}{burst}"
    )


async def load_phases(
    bot: ReplayedBot,
    replay: Replay,
    rate: float,
    arguments: argparse.Namespace,
    out: Measured,
) -> None:
    quiet_s = max(0.2, 256 / rate)  # longer than any batch of reading along takes
    if arguments.two_channels:
        out.load |= await two_channels(bot, replay, quiet_s, note=note)
    if arguments.idle:
        out.load |= await idle(bot, replay, quiet_s, least_s=arguments.idle_seconds, note=note)
    if arguments.growth:
        out.load |= await growth(bot, replay, arguments.growth, note=note)


def ready_home(home: Home, arguments: argparse.Namespace) -> Replay:
    """Import what is recalled from, with vectors; what is to be replayed."""
    wanted = Wanted(
        replies=arguments.replies or 1,
        lines_between=arguments.lines_between,
        history_lines=arguments.history_lines,
        seed=arguments.seed,
    )
    # In a process of its own: what importing leaves in memory is none of the bot's.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        note("reading the files")
        replay = pool.submit(prepare, home, arguments.replay, arguments.model, wanted).result()
    note(f"{replay.history:,} messages to recall from, {len(replay.lines):,} to replay")
    if arguments.embedder is not None:
        copy_embedder(arguments.embedder, home)
    if arguments.vectors == "on":
        script = PROGRAM_DIR / "scripts" / "5_build_memory.py"
        command = [sys.executable, str(script), "--home", str(home.root), "--threads", "0"]
        if subprocess.run(command, check=False).returncode:
            raise BenchError("The memory's vectors could not be made: see above, or --vectors off.")
    return replay


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parse_arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, metavar="GGUF")
    parser.add_argument(
        "--replay", type=Path, nargs="+", required=True, metavar="PATH",
        help="exports of channels (.json, .json.gz), or folders of them: the newest lines are "
        "replayed, those before recalled from",
    )  # fmt: skip
    baseline = parser.add_mutually_exclusive_group()
    baseline.add_argument("--baseline", metavar="URL", help="an OpenAI-compatible server")
    baseline.add_argument(
        "--baseline-server", type=Path, metavar="BINARY", help="a llama-server to start and end"
    )
    parser.add_argument("--replies", type=int, default=50, metavar="N", help="0: none (50)")
    parser.add_argument("--reply-tokens", type=int, default=24, metavar="N", help="of each (24)")
    parser.add_argument(
        "--lines-between", type=int, default=IN_VIEW, metavar="N",
        help=f"lines from one ask to the next, on the average ({IN_VIEW})",
    )  # fmt: skip
    parser.add_argument("--history-lines", type=int, default=5_000, metavar="N", help="(5000)")
    parser.add_argument("--context-tokens", type=int, default=2048, metavar="N", help="(2048)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="0: as the bot chooses")
    parser.add_argument("--mmap", choices=("on", "off"), default="off", help="(off)")
    parser.add_argument("--vectors", choices=("on", "off"), default="on", help="in the memory (on)")
    parser.add_argument(
        "--embedder", type=Path, metavar="GGUF", help="a ready one (default: made now)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="(1)")
    parser.add_argument(
        "--talk-on", action="store_true", help="others talk on while a reply is written"
    )
    parser.add_argument(
        "--two-channels", action="store_true", help="measure two replies at once, too"
    )
    parser.add_argument("--idle", action="store_true", help="measure the CPU's share, too")
    parser.add_argument(
        "--idle-seconds", type=float, default=60.0, metavar="S",
        help="for how long at each rate (60); at one message a minute never less",
    )  # fmt: skip
    parser.add_argument(
        "--growth", type=int, default=0, metavar="N", help="measure memory over N replies, too"
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="a new one, kept there")
    add_json(parser, "one object on the last line")
    return parser.parse_args(given)


def main() -> int:
    arguments = parse_arguments(sys.argv[1:])
    stop_when_terminated()
    out = Measured()
    out.given = {
        "model": arguments.model.name,
        "reply_tokens": arguments.reply_tokens,
        "seed": arguments.seed,
        "mmap": arguments.mmap == "on",
        "vectors": arguments.vectors == "on",
        "end_tokens_ignored": True,
        "talk_on": arguments.talk_on,
    }
    is_stopped = False
    with tempfile.TemporaryDirectory(prefix="mynah-bench-", ignore_cleanup_errors=True) as folder:
        home = Home(arguments.home or Path(folder)).ensure()
        if home.database.exists():
            raise BenchError(f"{home.root} holds messages already: name a new folder.")
        try:
            replay = ready_home(home, arguments)
            asyncio.run(measure(home, replay, arguments, out))
        except KeyboardInterrupt:
            is_stopped = True
            note("Stopped; these are the figures so far.")
    made = figures(out) | ({"stopped": True} if is_stopped else {})
    print(json.dumps(made) if arguments.json else table(made))
    return 130 if is_stopped else 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main, stopped="Stopped before anything was measured."))
