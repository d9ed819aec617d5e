"""Whose words may be used for what: the table and its document, storing, recall, the door."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data import consent
from data.consent import (
    ConsentError,
    MemberState,
    Mode,
    Rules,
    Use,
    check_dataset_may_train,
    coverage,
    declare,
    may,
    may_recall,
    refused_lines,
    remedy,
    state_of,
)
from data.dataset import DatasetOptions, history_of, is_current, make_dataset
from data.examples import LAYOUT, Example, read_examples, to_json_line
from data.memory import may_be_recalled
from data.personas import PersonaText
from data.windows import WindowOptions
from model.chat_format import NOT_SHARED, Note, Own, Said
from storage.database import Database
from storage.manifest import ManifestError, read_manifest, write_manifest
from storage.paths import PROGRAM_DIR
from storage.records import FIRST_SNOWFLAKE, ChannelRecord, MemberRecord, MessageRecord, Origin
from tests.data.talk import BEGAN_MS, WORDS, LetterTokenizer

SETTLED = [(mode, is_declared) for mode in Mode for is_declared in (False, True)]
PERSONA = PersonaText("Mynah", "You are Mynah.")
HALL = 500


# -- the table ------------------------------------------------------------------------------------


def matrix() -> list[str]:
    """The table of docs/consent.md, line by line, from the function."""
    uses = [(use, mode) for use in (Use.CONTEXT, Use.TARGET) for mode in Mode]
    heads = ["origin", "member", "store", "recall", *(f"{u.value}: {m.value}" for u, m in uses)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for origin, state in itertools.product(Origin, MemberState):
        cells = [cell(use, state, origin, Mode) for use in (Use.STORE, Use.RECALL)]
        cells += [cell(use, state, origin, [mode]) for use, mode in uses]
        lines.append(f"| `{origin.value}` | `{state.value}` | {' | '.join(cells)} |")
    return lines


def cell(use: Use, state: MemberState, origin: Origin, modes) -> str:
    """yes, no, or what it hangs on: the same in all of `modes`."""
    said = {
        (
            may(use, state, origin, mode, is_declared=False),
            may(use, state, origin, mode, is_declared=True),
        )
        for mode in modes
    }
    assert len(said) == 1, f"{use} of {origin} depends on the mode"
    return {(False, False): "no", (True, True): "yes", (False, True): "with a ground"}[said.pop()]


def test_the_documents_table_is_the_functions() -> None:
    text = (PROGRAM_DIR / "docs" / "consent.md").read_text(encoding="utf-8")
    wanted = "\n".join(matrix())
    assert wanted in text, f"docs/consent.md should hold this table:\n{wanted}"


def by_hand(use: str, state: str, origin: str, mode: str, is_declared: bool) -> bool:
    """The rules once more, from the words of the docs and none of the code."""
    if use == "store":
        return state != "excluded"
    if origin == "playground" or state in ("opted_out", "excluded"):
        return False
    if use == "recall" or origin == "sample":
        return True
    if mode == "retrieval_only":
        return False
    if origin == "data_package":
        return True
    return is_declared and (mode == "declared" or state == "opted_in")


def test_every_cell_is_what_the_rules_say() -> None:
    cells = list(itertools.product(Use, MemberState, Origin, SETTLED))
    assert len(cells) == 4 * 4 * 5 * 6
    for use, state, origin, (mode, is_declared) in cells:
        told = may(use, state, origin, mode, is_declared=is_declared)
        assert told is by_hand(use.value, state.value, origin.value, mode.value, is_declared)
        assert bool(Rules(mode, is_declared).why_not(use, state, origin)) is not told
        if use is Use.RECALL:
            assert may_recall(state, origin) is told


def test_an_exclusion_outweighs_consent() -> None:
    assert state_of(None) is MemberState.UNSET
    assert state_of(member(1, "opted_in")) is MemberState.OPTED_IN
    excluded = replace(member(1, "opted_in"), is_excluded=True)
    assert state_of(excluded) is MemberState.EXCLUDED


def test_the_remedy_is_for_the_main_reason() -> None:
    assert consent.RULE_21 in remedy({consent.UNDECLARED: 5, consent.OPTED_OUT: 3})
    assert "set consent_mode" in remedy({consent.RETRIEVAL_ONLY: 5, consent.EXCLUDED_MEMBER: 9})
    assert "opted in" in remedy({consent.NOT_OPTED_IN: 1})
    assert consent.EXCLUDED_MEMBER in remedy({consent.EXCLUDED_MEMBER: 9})


# -- declaring ------------------------------------------------------------------------------------


def test_a_declaration_is_recorded_once_and_sets_the_mode(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        assert Rules.of(database) == Rules(Mode.RETRIEVAL_ONLY, False)
        first = declare(database, " open data ")
        assert first.ground == "open data"
        assert first.who
        assert Rules.of(database) == Rules(Mode.DECLARED, True)
        assert declare(database, "open data") == first
        with pytest.raises(ConsentError, match="in words"):
            declare(database, " - ")
        assert database.declarations() == [first]


def test_a_chosen_mode_outlives_a_declaration(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        database.set_config("consent_mode", "opt_in")
        declare(database, "open data")
        assert Rules.of(database) == Rules(Mode.OPT_IN, True)


# -- storing and recalling ------------------------------------------------------------------------


def member(member_id: int, state: str) -> MemberRecord:
    """Somebody of that state, called after it."""
    if state == "excluded":
        return MemberRecord(member_id, f"{state}{member_id}", f"Nick{member_id}", is_excluded=True)
    return MemberRecord(member_id, f"{state}{member_id}", f"Nick{member_id}", consent=state)


def said(message_id: int, author_id: int, text: str, origin: Origin) -> MessageRecord:
    at_ms = BEGAN_MS + message_id * 30_000
    return MessageRecord(message_id, HALL, author_id, text, at_ms, origin)


PEOPLE = [member(n, state.value) for n, state in enumerate(MemberState, start=1)]


def test_what_an_excluded_member_says_is_not_stored(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        before = said(50, 4, "this came before it", Origin.DISCORD_API)
        database.upsert_messages([before])
        database.upsert_members(PEOPLE)
        one_each = [
            said(100 + 10 * number + person.member_id, person.member_id, "three words here", origin)
            for number, origin in enumerate(Origin)
            for person in PEOPLE
        ]
        done = database.upsert_messages(one_each[:10])
        done += database.store_messages([], [], one_each[10:])
        done += database.upsert_messages([replace(before, content="edited", edited_at_ms=9)])
        assert done.excluded == 6
        assert done.total == len(one_each) + 1
        kept = {m.message_id: m for m in database.messages()}
        states = {p.member_id: state_of(p).value for p in PEOPLE}
        assert set(kept) == {50} | {
            m.message_id
            for m in one_each
            if by_hand("store", states[m.author_id], m.origin.value, "declared", True)
        }
        assert kept[50] == before
        database.set_excluded(4, False)
        assert database.upsert_messages(one_each).new == len(Origin)


def test_full_text_recalls_what_the_table_lets(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        database.upsert_channels([ChannelRecord(HALL, FIRST_SNOWFLAKE, "Inn", "hall")])
        pairs = itertools.product(Origin, PEOPLE)
        records = [
            said(number, person.member_id, "a lantern hangs here", origin)
            for number, (origin, person) in enumerate(pairs, start=1)
        ]
        database.upsert_messages(records)
        database.upsert_members(PEOPLE)
        found = {i for i, _ in database.search_text("lantern", 100, recallable_only=True)}
        people = {p.member_id: p for p in PEOPLE}
        by_record = {
            m.message_id for m in records if may_be_recalled(m, people[m.author_id], {HALL})
        }
        wanted = {
            m.message_id
            for m in records
            if by_hand(
                "recall", state_of(people[m.author_id]).value, m.origin.value, "declared", True
            )
        }
        assert found == by_record == wanted
        assert len(wanted) == 2 * 4


# -- coverage -------------------------------------------------------------------------------------


def test_coverage_counts_people_and_messages(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        records = [
            said(i, 1 + i % 4, "words", Origin.DATA_PACKAGE if i < 4 else Origin.EXPORT)
            for i in range(1, 41)
        ]
        records.append(said(60, 9, "beep", Origin.EXPORT))
        records.append(replace(said(61, 1, "gone", Origin.EXPORT), deleted_at_ms=5))
        records.append(replace(said(62, 1, "shut", Origin.EXPORT), channel_id=700))
        records.append(said(63, 1, "me alone", Origin.PLAYGROUND))
        database.upsert_channels([ChannelRecord(700, 1, "Inn", "staff", is_allowed=False)])
        database.upsert_messages(records)
        database.upsert_members([*PEOPLE, MemberRecord(9, "dice", "dice", is_bot=True)])
        told = {
            (mode, is_declared): str(coverage(database, mode, is_declared))
            for mode, is_declared in SETTLED
        }
        assert told[Mode.RETRIEVAL_ONLY, True] == "0 of 4 members, 0% of messages"
        assert told[Mode.OPT_IN, False] == "1 of 4 members, 2% of messages"
        assert told[Mode.OPT_IN, True] == "1 of 4 members, 25% of messages"
        assert told[Mode.DECLARED, True] == "2 of 4 members, 50% of messages"
        counted = coverage(database, Mode.OPT_IN, True)
        assert counted.messages == 40
        assert counted.messages_learned_from + sum(counted.left_out.values()) == 40
        assert set(counted.left_out) == {
            consent.NOT_OPTED_IN,
            consent.OPTED_OUT,
            consent.EXCLUDED_MEMBER,
        }


# -- ten thousand rows of every kind --------------------------------------------------------------

ROWS = 10_000


def mark_of(message_id: int) -> str:
    return f"mark{message_id}x"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory):
    """10,000 rows, each with a mark of its own, over every state and origin; members say what they
    said before anybody was excluded. Yields the database and each row's (state, origin)."""
    rng = random.Random(6)
    people = [member(100 + n, state) for n, state in enumerate([s.value for s in MemberState] * 4)]
    kinds: dict[int, tuple[str, str]] = {}
    records = []
    for message_id in range(1, ROWS + 1):
        author, origin = rng.choice(people), rng.choice(list(Origin))
        kinds[message_id] = (state_of(author).value, origin.value)
        text = f"{mark_of(message_id)} {' '.join(rng.choices(WORDS, k=rng.randint(1, 6)))}"
        mentioned = []
        if rng.random() < 0.2:
            mentioned = [rng.choice(people)]
            text = f"@{mentioned[0].nickname} {text}"
        records.append(
            replace(
                said(message_id, author.member_id, text, origin),
                reply_to_id=rng.randint(max(1, message_id - 9), message_id - 1)
                if message_id > 1 and rng.random() < 0.2
                else None,
                mentioned_ids=tuple(m.member_id for m in mentioned),
            )
        )
    path = tmp_path_factory.mktemp("mixed") / "a.db"
    with Database.open(path) as database:
        database.upsert_channels([ChannelRecord(HALL, FIRST_SNOWFLAKE, "Inn", "hall")])
        database.upsert_messages(records)
        database.upsert_members(people)
        yield database, kinds


def settle(database: Database, mode: Mode, is_declared: bool) -> None:
    database.set_config("consent_mode", mode.value)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM declarations")
    if is_declared:
        database.record_declaration("ann", "open data", 1)


def make(database: Database, folder: Path, **options):
    chosen = DatasetOptions(WindowOptions(max_tokens=1500, note_share=0.5, **options))
    return make_dataset(database, folder, LetterTokenizer(), PERSONA, chosen)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "is_declared"), SETTLED)
def test_of_ten_thousand_rows_none_is_wrongly_placed(
    mixed, tmp_path: Path, mode: Mode, is_declared: bool
) -> None:
    database, kinds = mixed
    settle(database, mode, is_declared)
    report = make(database, tmp_path / "set")
    allowed = {
        message_id
        for message_id, (state, origin) in kinds.items()
        if by_hand("context", state, origin, mode, is_declared)
    }
    everything = "".join(
        (tmp_path / "set" / name).read_text(encoding="utf-8")
        for name in ("training_data.jsonl", "validation_data.jsonl")
    )
    shown = {int(found) for found in re.findall(r"mark(\d+)x", everything)}
    assert shown <= allowed
    assert len(shown) > 0.9 * len(allowed), "what may be learned from is learned from"
    named = {p.nickname for p in database.members() if p.nickname in everything}
    unnamed = {p.nickname for p in database.members() if p.is_excluded or p.consent == "opted_out"}
    assert not named & unnamed
    examples = [
        example
        for name in ("training_data.jsonl", "validation_data.jsonl")
        for example in read_examples(tmp_path / "set" / name)
    ]
    assert len(examples) == report["examples"]["kept"] > 100
    for example in examples:
        assert NOT_SHARED.text not in example.reply
        marks = [mark for text in in_time(example) for mark in marks_in(text)]
        assert marks == [mark_of(message_id) for message_id in example.source_ids]
    assert any(NOT_SHARED in example.turns for example in examples)
    in_order(examples, kinds, allowed)
    check_dataset_may_train(tmp_path / "set", database)
    left_out = report["consent"]["left_out"]
    assert sum(left_out.values()) + len(allowed) == sum(
        1 for _, origin in kinds.values() if origin != "playground"
    )
    assert report["consent"]["mode"] == mode.value


def in_time(example: Example) -> list[str]:
    """The texts that stand for `source_ids`: notes, what was said, the reply."""
    notes = [turn.text for turn in example.turns if isinstance(turn, Note)]
    lines = [turn.text for turn in example.turns if isinstance(turn, Said | Own)]
    return [*notes, *(text for text in lines if text != NOT_SHARED.text), example.reply]


def in_order(examples: list[Example], kinds: dict[int, tuple[str, str]], allowed: set[int]) -> None:
    """Between the first and the last line each message of a person stands once, in its place; in
    that of one or more which may not be shown, a placeholder."""
    there = [i for i, (state, origin) in kinds.items() if state != "excluded"]
    there = [i for i in there if kinds[i][1] != "playground"]
    place = {message_id: at for at, message_id in enumerate(there)}
    for example in examples:
        lines = [turn for turn in example.turns if not isinstance(turn, Note)]
        context = example.source_ids[len(example.turns) - len(lines) :]
        said = there[place[context[0]] : place[context[-1]] + 1]
        meant = "".join(mark_of(i) if i in allowed else " - " for i in said)
        shown = "".join(" - " if t == NOT_SHARED else "".join(marks_in(t.text)) for t in lines)
        shown += "".join(marks_in(example.reply))
        assert re.sub("(?: - )+", "-", meant) == re.sub("(?: - )+", "-", shown).lstrip("-")


def marks_in(text: str) -> list[str]:
    return re.findall(r"mark\d+x", text)


@pytest.mark.slow
def test_the_door_looks_each_of_ten_thousand_rows_up_anew(mixed, tmp_path: Path) -> None:
    """Lines by hand: every row once as a reply, after two others. Under each mode, the door refuses
    exactly those that the rules say."""
    database, kinds = mixed
    rng = random.Random(7)
    uses = {i: (rng.randint(1, ROWS), rng.randint(1, ROWS), i) for i in kinds}
    folder = write_set(tmp_path / "set", [line_of(ids) for ids in uses.values()])
    for mode, is_declared in SETTLED:
        settle(database, mode, is_declared)
        refused = {int(where.split()[1]) for where, _ in refused_lines(folder, database)}
        fine = {
            message_id
            for message_id, (state, origin) in kinds.items()
            if by_hand("target", state, origin, mode, is_declared)
        }
        wanted = {number for number, ids in uses.items() if not fine.issuperset(ids)}
        assert refused == wanted
        assert 0.5 * ROWS < len(wanted) < ROWS
        with pytest.raises(ConsentError):
            check_dataset_may_train(folder, database)


# -- the door -------------------------------------------------------------------------------------


def line_of(ids: tuple[int, ...], **changes) -> str:
    turns = tuple(Said("mira", f"words {i}") for i in ids[:-1])
    example = Example(str(ids[-1]), "P", turns, "yes", 1, ids, HALL, ids[-1], reply_ids=ids[-1:])
    return to_json_line(replace(example, **changes))


def write_set(folder: Path, lines: list[str], **config) -> Path:
    folder.mkdir()
    (folder / "training_data.jsonl").write_text("".join(lines), encoding="utf-8")
    write_manifest(folder, "dataset", {"layout": LAYOUT, **config}, {})
    return folder


@pytest.fixture
def few(tmp_path: Path):
    """A declared home with twenty messages of four members, one of them a bot."""
    with Database.open(tmp_path / "a.db") as database:
        people = [member(n, "unset") for n in (1, 2, 3)]
        database.upsert_members([*people, MemberRecord(4, "dice", "dice", is_bot=True)])
        database.upsert_channels([ChannelRecord(HALL, FIRST_SNOWFLAKE, "Inn", "hall")])
        database.upsert_messages(said(i, 1 + i % 4, f"w {i}", Origin.EXPORT) for i in range(1, 21))
        declare(database, "open data")
        yield database


def test_the_door_follows_what_changes_after_the_set_was_made(few: Database, tmp_path: Path):
    folder = write_set(tmp_path / "set", [line_of((4, 5, 8)), line_of((1, 4, 9))])
    check_dataset_may_train(folder, few)
    for change, back, reason in (
        (lambda: few.set_consent(2, "opted_out"), lambda: few.set_consent(2, "unset"), "opted out"),
        (lambda: few.set_excluded(1, True), lambda: few.set_excluded(1, False), "excluded"),
        (
            lambda: few.set_config("consent_mode", "opt_in"),
            lambda: few.set_config("consent_mode", "declared"),
            "not opted in",
        ),
        (
            lambda: few.set_config("consent_mode", "retrieval_only"),
            lambda: few.set_config("consent_mode", "declared"),
            "retrieval_only",
        ),
        (
            lambda: few.set_allowed(HALL, False),
            lambda: few.set_allowed(HALL, True),
            "allow-list",
        ),
    ):
        change()
        with pytest.raises(ConsentError, match=rf"Line 1 of .*{reason}"):
            check_dataset_may_train(folder, few)
        back()
        check_dataset_may_train(folder, few)
    few.mark_deleted([9], 5)
    with pytest.raises(ConsentError, match=r"Line 2 of .*not there any more"):
        check_dataset_may_train(folder, few)
    with few.writing() as connection:
        connection.exec_driver_sql("DELETE FROM declarations")
    with pytest.raises(ConsentError, match="rule 21"):
        check_dataset_may_train(folder, few)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (line_of((4, 3)), "written by a bot"),
        (line_of((4, 999)), "not there any more"),
        (line_of((999, 4)), "not there any more"),
        (line_of((4, 5, 8), source_ids=(5, 8)), "does not name the message"),
        (line_of((4, 5, 8), source_ids=()), "does not name the message"),
        (line_of((4, 5, 8), example_id="5"), "does not name the message"),
        (line_of((4, 5, 8), reply_ids=()), "does not name the message"),
        (line_of((4, 5, 8), reply_ids=(5,)), "does not name the message"),
        (line_of((4, 5, 8), reply_ids=(5, 8)), "does not name the message"),
    ],
)
def test_the_door_refuses_lines_that_do_not_say_whose_they_are(
    few: Database, tmp_path: Path, line: str, reason: str
) -> None:
    folder = write_set(tmp_path / "set", [line_of((4, 5, 8)), line])
    with pytest.raises(ConsentError, match=rf"Line 2 of .*{reason}"):
        check_dataset_may_train(folder, few)


def test_a_reply_of_several_messages_names_them_all(few: Database, tmp_path: Path) -> None:
    turns = (Said("mira", "hi"), Said("mira", "there", goes_on=True))
    lines = [line_of((1, 5, 8, 12), turns=turns, reply_ids=(8, 12))]
    folder = write_set(tmp_path / "set", lines)
    check_dataset_may_train(folder, few)
    few.mark_deleted([8], 5)
    with pytest.raises(ConsentError, match="not there any more"):
        check_dataset_may_train(folder, few)


def test_a_placeholder_needs_no_message(few: Database, tmp_path: Path) -> None:
    turns = (NOT_SHARED, Said("mira", "hi"), NOT_SHARED)
    folder = write_set(tmp_path / "set", [line_of((5, 8), turns=turns)])
    check_dataset_may_train(folder, few)


def test_a_set_that_was_changed_by_hand_is_refused(few: Database, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", [line_of((4, 5, 8))])
    file = folder / "training_data.jsonl"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace("words 4", "sword 4"), encoding="utf-8")
    with pytest.raises(ManifestError, match="differs from its manifest"):
        check_dataset_may_train(folder, few)
    file.write_text(whole, encoding="utf-8")
    (folder / "more.jsonl").write_text(line_of((3, 4)), encoding="utf-8")
    with pytest.raises(ConsentError, match=r"more\.jsonl"):
        check_dataset_may_train(folder, few)
    shutil.rmtree(folder)
    with pytest.raises(ConsentError, match="no complete training set"):
        check_dataset_may_train(folder, few)


def test_a_set_of_an_earlier_version_is_refused(few: Database, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", [line_of((4, 5, 8))], layout=1)
    with pytest.raises(ConsentError, match=r"earlier version.*scripts/2"):
        check_dataset_may_train(folder, few)


# -- when a set is out of date --------------------------------------------------------------------


def test_consent_makes_a_set_out_of_date(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        people = [member(FIRST_SNOWFLAKE + n, "unset") for n in range(3)]
        database.upsert_members(people)
        database.upsert_channels([ChannelRecord(HALL, FIRST_SNOWFLAKE, "Inn", "hall")])
        database.upsert_messages(
            said(i, people[i % 3].member_id, f"words {i}", Origin.SAMPLE) for i in range(1, 200)
        )
        make(database, tmp_path / "set")
        assert is_current(tmp_path / "set", database, PERSONA, 1500)
        manifest = read_manifest(tmp_path / "set")
        assert manifest is not None
        assert json.loads(json.dumps(history_of(database))) == manifest.config["history"]
        someone = people[0].member_id
        for change, back in (
            (
                lambda: database.set_consent(someone, "opted_in"),
                lambda: database.set_consent(someone, "unset"),
            ),
            (
                lambda: database.set_excluded(someone, True),
                lambda: database.set_excluded(someone, False),
            ),
            (
                lambda: database.set_config("consent_mode", "opt_in"),
                lambda: database.reset_config("consent_mode"),
            ),
            (lambda: declare(database, "open data"), lambda: settle(database, Mode.OPT_IN, False)),
        ):
            change()
            assert not is_current(tmp_path / "set", database, PERSONA, 1500)
            back()
        database.reset_config("consent_mode")
        assert is_current(tmp_path / "set", database, PERSONA, 1500)
