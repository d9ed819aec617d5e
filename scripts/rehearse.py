"""Rehearses: shows where the bot would have spoken, what, and why, before anybody else hears it.

    python scripts/rehearse.py run                         a recorded day, again in silence
    python scripts/rehearse.py show                        what it would have said
    python scripts/rehearse.py answer 12=yes 13=too_much   what you think of it
    python scripts/rehearse.py fit --apply                 rate and threshold from your answers
    python scripts/rehearse.py accept                      from now on it speaks in public
    python scripts/rehearse.py run --version v2            another model, before it is deployed

Where the bot runs, it does the rehearsal with its own model; else the model is loaded here. A run
that is stopped goes on where it was when the same one is asked for again. Nothing is sent, and
nothing but the rehearsal itself is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.platforms.platform import wall_clock_ms
from bot.protocol import ControlClient, Endpoint, NotRunningError, ask_running, read_endpoint
from bot.rehearsal_plan import LAST, Wanted
from bot.rehearsal_report import NotRehearsedError, accept, rehearsal_json, rows_json
from scripts.edge import ending_in_a_sentence, home_and_json, stop_when_terminated
from scripts.names import named
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home
from storage.rehearsal_store import ANSWERS
from storage.settings import Settings, find, load, parse

if TYPE_CHECKING:
    from bot.rehearsal import Tell

PROTOCOL = """\
answers: yes (right), no (the wrong thing to say), too_much (it should have kept silent). On a row
where it kept silent yes means that it should have spoken, too_much that silence was right.

With --json `run` prints a JSON object a line, the others one object. Ids are texts, times
milliseconds since 1970, and lines of `run` are told apart by "event":
  {"event": "plan", "rehearsal_id": 3, "messages": 412, "done": 0, "day": "2026-11-20" or null,
   "from_ms": ..., "until_ms": ..., "channels": [{"channel_id": "..", "name": "general",
   "messages": 300}], "drafts": 23, "expected_s": 69.0 or null, "spoken": 0, "goes_on": false}
      drafts: about how many it will write, and in which time where one was written before;
      goes_on: a run that was stopped before goes on
  {"event": "progress", "rehearsal_id": 3, "done": 10, "messages": 412, "spoken": 2,
   "left_s": 31.2 or null}
  {"event": "done", "rehearsal_id": 3, "done": 412, "messages": 412, "spoken": 23,
   "is_stopped": false}                                    always the last line
show: {"rehearsal": {"rehearsal_id": 3, "kind": "replay" or "live", "began_at_ms": ...,
   "ended_at_ms": ... or null, "version_id": "", "model_sha256": "", "settings": {"response_rate":
   0.1, "speak_threshold": 0.7}, "options": {...}, "messages": 412, "done": 412, "spoken": 23,
   "acceptance": ACCEPTANCE}, "rows": [ROW, ...]}          rehearsal is null where there is none
ROW: {"row_id": 12, "message_id": "..", "channel_id": "..", "channel": "general", "at_ms": ...,
   "author": "mira", "text": "anyone up for it?", "verdict": "reply" or "silent", "reason": "...",
   "detail": "", "parts": {...}, "draft": "me", "guard": "allowed", "source_ids": ["..", ...],
   "total_s": 1.2, "answer": "" or "yes" or "no" or "too_much", "answered_at_ms": ... or null}
   spoken rows alone; with --all the silent ones too. Rows are in order of time.
ACCEPTANCE: {"accepted": 34, "answered": 40, "spoken": 40, "share": 0.85, "low": 0.709,
   "high": 0.929, "sentence": "accepted 34 of 40 (71-93%)"}
   of the moments in which it spoke; share, low and high are null where none was answered
answer: {"rehearsal_id": 3, "answered": 2, "acceptance": ACCEPTANCE}
fit: {"rehearsal_id": 3, "before": VALUES, "after": VALUES, "changes": [{"row_id": 12, "answer":
   "too_much", "speaks_before": true, "speaks_after": false}, ...], "why": "a sentence",
   "is_enough": true, "applied": false}
VALUES: {"response_rate": 0.1, "speak_threshold": 0.7, "channels": [{"channel_id": "..", "name":
   "general", "response_rate": 0.05, "speak_threshold": 0.75}], "replies": 23, "agreement": 0.8}
   replies: how many of the messages would be answered; agreement: share of the answers obeyed, null
   without any; channels: those with values of their own
accept: {"rehearsal_id": 3, "acceptance": ACCEPTANCE, "version_id": "...", "speaks_in_public": true}
   refused where the bot is silent and another model answers than the one that was rehearsed; how
   many were accepted is kept with that one all the same
stop: {"is_running": true}                                   whether there is a bot that could stop
list: {"rehearsals": [the object "rehearsal" of `show`, ...]}            newest first

Exit status: 0 done, 2 it could not be done (a sentence on stderr), 130 stopped: what was judged
stays.
"""

NOT_RUNNING = "The bot does not run, so it rehearses nothing."


class BadAnswerError(MynahError):
    """What was given is no answer to a row."""


def build_parser() -> argparse.ArgumentParser:
    """The command line. --home and --json may stand before or after the command."""
    common = home_and_json()
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=PROTOCOL,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, explained: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=explained, description=explained, parents=[common])
        if name not in ("run", "stop", "list", "answer"):
            made.add_argument("rehearsal", type=int, nargs="?", help="its id (default: the newest)")
        return made

    _add_run(command("run", "rehearse recorded channels, in silence"))
    command("stop", "end a rehearsal that the running bot does; the same run goes on there")
    command("list", "all rehearsals, the newest first")
    showing = command("show", "what it would have said, and why")
    showing.add_argument("--all", action="store_true", help="where it kept silent, too")
    answering = command("answer", "say what you think of what it would have said")
    answering.add_argument(
        "answers",
        nargs="*",
        metavar="ROW=ANSWER",
        help="yes, no or too_much; none: read from stdin",
    )
    fit = command("fit", "rate and threshold from the answers, before and after")
    fit.add_argument("--apply", action="store_true", help="set them")
    command("accept", "let the bot speak in public")
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME",
        help="a channel by id or name, with its threads; may stand more than once "
        "(default: all that the bot would read)",
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--day", default="", help="such as 2026-11-20 (default: the busiest of the last 14)"
    )
    when.add_argument(
        "--last",
        type=int,
        nargs="?",
        const=LAST,
        default=0,
        metavar="N",
        help=f"the last N messages instead of a day ({LAST})",
    )
    parser.add_argument(
        "--version",
        default="",
        metavar="ID",
        help="of a model (scripts/6_manage_models.py list), loaded here (default: what answers)",
    )
    parser.add_argument("--rate", type=float, help="try this response rate (default: the setting)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other words")
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="leave off after N drafts"
    )


def run(home: Home, database: Database, arguments: argparse.Namespace, tell: Tell) -> None:
    """In the bot where it runs, else here. Raises MynahError."""
    wanted = wanted_by(database, arguments)
    version_id = arguments.version
    if version_id or not rehearsed_by_running_bot(home, wanted, tell):
        asyncio.run(rehearse_here(home, database, wanted, tell, version_id))


def wanted_by(database: Database, arguments: argparse.Namespace) -> Wanted:
    """What the command line asks for. Raises MynahError."""
    channels = database.channels()
    chosen = [
        named(
            text,
            channels,
            "channel",
            lambda c: c.channel_id,
            lambda c: (c.name,),
            "scripts/manage_channels.py list",
        ).channel_id
        for text in arguments.channel
    ]
    rate = find("response_rate")
    if arguments.rate is not None:
        parse(rate, str(arguments.rate))
    return Wanted(
        tuple(chosen),
        arguments.day,
        max(0, arguments.last),
        arguments.rate,
        arguments.seed,
        max(0, arguments.limit),
    )


def rehearsed_by_running_bot(home: Home, wanted: Wanted, tell: Tell) -> bool:
    """Have the bot that runs on this home rehearse; False where none runs. Stopped with this.

    Raises ControlError with the bot's sentence.
    """
    endpoint = read_endpoint(home.data_storage)
    if endpoint is None:
        return False
    try:
        asyncio.run(_ask_bot(endpoint, wanted, tell))
    except NotRunningError:
        return False
    return True


async def _ask_bot(endpoint: Endpoint, wanted: Wanted, tell: Tell) -> None:
    def hear(event: str, fields: dict[str, Any]) -> None:
        if event == "rehearsal":
            tell(fields.pop("what"), fields)

    async with await ControlClient.connect(endpoint, on_event=hear) as client:
        try:
            await client.ask("rehearse", timeout_s=None, **vars(wanted))
        except asyncio.CancelledError:
            await client.ask("rehearse_stop")
            raise


async def rehearse_here(
    home: Home, database: Database, wanted: Wanted, tell: Tell, version_id: str = ""
) -> None:
    """With a model that is loaded for it: that version ("": what answers)."""
    # A second to import: an answer is to take no longer than a key.
    from bot.composition import open_rehearsal
    from bot.rehearsal import Rehearsing

    with open_rehearsal(home, database, version_id) as (name, parts):
        one = Rehearsing(home, parts, wanted, version_id=name, tell=tell)
        await one.run()


def show(database: Database, rehearsal_id: int | None, with_silent: bool) -> dict[str, Any]:
    one = database.rehearsal(rehearsal_id)
    rows = [row for row in database.rehearsed(one.rehearsal_id) if with_silent or row.is_spoken]
    return {"rehearsal": rehearsal_json(database, one), "rows": rows_json(database, rows)}


def answer(
    database: Database, given: Iterable[str], *, passes_over_gone: bool = False
) -> dict[str, Any]:
    """Keep answers, all or none of them; `passes_over_gone`: of rows that were forgotten meanwhile
    nothing is kept. Raises MynahError."""
    answers: dict[int, str] = {}
    for text in given:
        row, sign, word = text.partition("=")
        if not sign or not row.strip().isdecimal() or word.strip() not in (*ANSWERS, ""):
            raise BadAnswerError(
                f'An answer is ROW=yes, ROW=no or ROW=too_much, such as 12=yes; "{text}" is not. '
                "ROW= takes one back."
            )
        answers[int(row)] = word.strip()
    if passes_over_gone:
        answers = {i: word for i, word in answers.items() if database.rehearsed_row(i) is not None}
    database.answer_rehearsed(answers, wall_clock_ms())
    found = database.rehearsed_row(next(iter(answers))) if answers else None
    rehearsal_id = database.rehearsal(found.rehearsal_id if found else None).rehearsal_id
    acceptance = database.acceptance(rehearsal_id).as_json()
    return {"rehearsal_id": rehearsal_id, "answered": len(answers), "acceptance": acceptance}


def fit(home: Home, database: Database, rehearsal_id: int | None, applies: bool) -> dict[str, Any]:
    """Values from the answers; set, where that is asked for. Raises MynahError."""
    from bot import fitting  # as above
    from bot.fitted import changes_of, fitted

    one = database.rehearsal(rehearsal_id)
    found = fitted(database, one.rehearsal_id)
    names = {channel.channel_id: channel.name for channel in database.channels()}
    is_applied = applies and found.before != found.after
    if is_applied:
        everywhere, channels = changes_of(found)
        for name, text in everywhere.items():
            keep_setting(home, database, name, text)
        for channel_id, values in channels.items():
            for name, text in values.items():
                database.set_channel_config(channel_id, name, text)
        if channels:
            ask_running(home.data_storage, "reload")
    return {"rehearsal_id": one.rehearsal_id, **fitting.as_json(found, names, is_applied)}


def accepted(home: Home, database: Database, rehearsal_id: int | None) -> dict[str, Any]:
    """Keep how many were accepted with the version, and let it speak. Raises MynahError."""
    one = database.rehearsal(rehearsal_id)
    acceptance = accept(database, one)
    settings, _ = load(database.config_rows())
    if not settings.switch("speaks_in_public"):
        refuse_unheard(one.version_id, answering(home, database, settings))
    keep_setting(home, database, "speaks_in_public", "on")
    return {
        "rehearsal_id": one.rehearsal_id,
        "acceptance": acceptance.as_json(),
        "version_id": one.version_id,
        "speaks_in_public": True,
    }


def refuse_unheard(rehearsed: str, answers: str) -> None:
    """Raises NotRehearsedError where another model than the rehearsed one would speak."""
    if rehearsed != answers:
        raise NotRehearsedError(
            f"{rehearsed or 'Another model'} was rehearsed, and {answers} answers now: rehearse "
            "that one, or deploy the other (python scripts/6_manage_models.py deploy) and accept "
            "again."
        )


def answering(home: Home, database: Database, settings: Settings) -> str:
    """The name of the model that answers, or would. Raises MynahError."""
    if (status := ask_running(home.data_storage, "stats")) is not None:
        return str(status["model"])
    from bot.composition import model_to_answer_with  # as above

    return model_to_answer_with(home, database, settings)[0]


def keep_setting(home: Home, database: Database, name: str, text: str) -> None:
    """Through the running bot, which acts on it at once, else in the database."""
    if ask_running(home.data_storage, "set", name=name, text=text) is None:
        database.set_config(name, text)


def print_event(event: str, fields: dict[str, Any]) -> None:
    """A line of `run`, for a person."""
    if event == "plan":
        channels = ", ".join(f"#{one['name']}" for one in fields["channels"])
        went_on = f", {fields['done']} of them before" if fields["goes_on"] else ""
        takes = fields["expected_s"]
        about = (
            ""
            if takes is None
            else f", {takes / 60:.0f} min"
            if takes >= 90
            else f", {takes:.0f} s"
        )
        day = f" on {fields['day']}" if fields["day"] else ""
        print(f"{fields['messages']} messages{day}{went_on}: {channels}")
        print(f"It will write about {fields['drafts']} drafts{about}.", flush=True)
    elif event == "progress":
        left = "" if fields["left_s"] is None else f", about {fields['left_s']:.0f} s left"
        spoken = f"spoke {fields['spoken']} times"
        print(f"{fields['done']} of {fields['messages']} heard, {spoken}{left}", flush=True)
    else:
        ended = "Stopped" if fields["is_stopped"] else "Done"
        print(
            f"{ended}: heard {fields['done']} of {fields['messages']} messages, would have spoken "
            f"{fields['spoken']} times. python scripts/rehearse.py show"
        )


def print_result(command: str, result: dict[str, Any]) -> None:
    """What the other commands found, for a person."""
    if command == "list":
        for one in result["rehearsals"]:
            print(_line_of(one))
    elif command == "stop":
        print("It ends after the message at hand." if result["is_running"] else NOT_RUNNING)
    elif command == "show":
        print(_line_of(result["rehearsal"]))
        for row in result["rows"]:
            print(_moment(row))
    elif command == "answer":
        print(f"Kept {result['answered']} answers; {result['acceptance']['sentence']}.")
    elif command == "accept":
        print(f"{result['acceptance']['sentence']}. From now on it speaks in public.")
    else:
        print_fit(result)


def print_fit(result: dict[str, Any]) -> None:
    """Before and after."""
    print(f"{'':<24}{'before':>10}{'after':>10}")
    for name in ("response_rate", "speak_threshold", "replies", "agreement"):
        before, after = (result[when][name] for when in ("before", "after"))
        print(f"{name:<24}{_figure(before):>10}{_figure(after):>10}")
    was = {one["channel_id"]: one for one in result["before"]["channels"]}
    for one in result["after"]["channels"]:
        before = was.get(one["channel_id"], result["before"])
        for name in ("response_rate", "speak_threshold"):
            what = f"#{one['name']} {name}"
            print(f"{what:<24}{_figure(before[name]):>10}{_figure(one[name]):>10}")
    for change in result["changes"]:
        speaks = "speaks" if change["speaks_after"] else "is silent"
        print(f"  row {change['row_id']} ({change['answer']}): {speaks} then")
    print(result["why"])
    if result["applied"]:
        print("These are set now.")
    elif result["before"] != result["after"]:
        print("python scripts/rehearse.py fit --apply sets them.")


def _line_of(one: dict[str, Any]) -> str:
    model = f" with {one['version_id']}" if one["version_id"] else ""
    return (
        f"rehearsal {one['rehearsal_id']} ({one['kind']}{model}): heard {one['done']} of "
        f"{one['messages']}, spoke {one['spoken']} times, {one['acceptance']['sentence']}"
    )


def _moment(row: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(row["at_ms"] / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    did = row["draft"].replace("\n", "\n" + 9 * " ") or f"({row['guard'] or 'silent'})"
    answer = f"   [{row['answer']}]" if row["answer"] else ""
    return (
        f"\n{row['row_id']:>6}  {at}  #{row['channel']}  {row['author']}: {row['text']}\n"
        f"      -> {did}{answer}\n"
        f"         {row['reason']}" + (f" ({row['detail']})" if row["detail"] else "")
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def carry_out(home: Home, database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Any command but `run`. Raises MynahError."""
    rehearsal_id = getattr(arguments, "rehearsal", None)
    if arguments.command == "list":
        return {"rehearsals": [rehearsal_json(database, one) for one in database.rehearsals()]}
    if arguments.command == "stop":
        return {"is_running": ask_running(home.data_storage, "rehearse_stop") is not None}
    if arguments.command == "show":
        return show(database, rehearsal_id, arguments.all)
    if arguments.command == "answer":
        if arguments.answers:
            return answer(database, arguments.answers)
        return answer(database, sys.stdin.read().split(), passes_over_gone=True)
    if arguments.command == "fit":
        return fit(home, database, rehearsal_id, arguments.apply)
    return accepted(home, database, rehearsal_id)


def main() -> int:
    """See PROTOCOL for the exit status."""
    arguments = build_parser().parse_args()
    is_json = getattr(arguments, "json", False)
    stop_when_terminated()
    home = find_home(getattr(arguments, "home", None)).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        if arguments.command == "run":
            run(home, database, arguments, print_line if is_json else print_event)
            return 0
        result = carry_out(home, database, arguments)
    if is_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_result(arguments.command, result)
    return 0


def print_line(event: str, fields: dict[str, Any]) -> None:
    """A line of `run --json`."""
    print(json.dumps({"event": event, **fields}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
