"""persona_file: what a file says, and one sentence with its line for whatever is wrong in it."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from data.persona_file import (
    MOST_BYTES,
    Cares,
    PersonaFile,
    PersonaFileError,
    parse_persona_file,
    read_persona_file,
)
from data.whole_persona import Piece, joined, serving_persona
from model.served_as import ServedAs
from storage.paths import SHIPPED_PERSONAS
from storage.settings import Settings

WHOLE = """---
name: Night owl
channels: [Tavern, "#attic", 81384788765712]
cares_about: [retro games, no, 2025]
dislikes: spoilers
quiet_hours: 23:00-07:00, 13-14
with_style: yes
examples:
  - said: anyone awake?
    answer: define awake
  - |
    two lines
    of its own
---

You are {name}, the night owl of {server}.
Dry.
"""
OWL = PersonaFile(
    "owl",
    "Night owl",
    "You are {name}, the night owl of {server}.\nDry.",
    ("tavern", "attic", "81384788765712"),
    Cares(("retro games", "no", "2025"), ("spoilers",), "23:00-07:00, 13-14"),
    (("anyone awake?", "define awake"), ("", "two lines\nof its own")),
    True,
)


def front(*lines: str) -> str:
    return "\n".join(("---", *lines, "---", "a voice"))


def served(file: PersonaFile, **about: object) -> list[Piece]:
    return serving_persona(
        Settings(),
        name="Mynah",
        server="The Lantern",
        file=file,
        **about,  # type: ignore[arg-type]
    )


# -- what a file says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        WHOLE.encode(),
        b"\xef\xbb\xbf" + WHOLE.encode(),
        WHOLE.replace("\n", "\r\n").encode(),
        b"\n \n" + WHOLE.encode(),
        WHOLE.replace("---", "---  \t").encode(),
    ],
    ids=["as written", "with a BOM", "CRLF", "behind empty lines", "blanks behind the dashes"],
)
def test_a_file_is_read_as_it_was_written(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "owl.md").write_bytes(raw)
    assert read_persona_file(tmp_path / "owl.md") == OWL


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        ("Be kind.", "Be kind."),
        ("---\n---\nBe kind.\n---\nOr not.", "Be kind.\n---\nOr not."),
    ],
)
def test_every_key_may_be_left_out(text: str, voice: str) -> None:
    assert parse_persona_file("owl", text) == PersonaFile("owl", voice=voice)


def test_a_channel_is_named_by_itself_its_parent_or_all() -> None:
    assert OWL.nearness(1, "TAVERN", None, "") == 3
    assert OWL.nearness(81384788765712, "x", None, "") == 3
    assert OWL.nearness(1, "a thread", 81384788765712, "cellar") == 2
    assert OWL.nearness(1, "a thread", 2, "Attic") == 2
    assert OWL.nearness(1, "cellar", None, "attic") == 0
    assert parse_persona_file("owl", front("channels: all")).nearness(1, "cellar", None, "") == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["cares_abut: [cats]"],
            'owl.md, line 2: "cares_abut" counts nowhere; did you mean cares_about?',
        ),
        (
            ["name: Owl", "mood: [dry]"],
            'owl.md, line 3: "mood" counts nowhere; there are name, channels',
        ),
        (["channels: #general"], "owl.md, line 2: channels is empty; a # begins a comment"),
    ],
)
def test_what_counts_nowhere_is_told(lines: list[str], said: str) -> None:
    (warning,) = parse_persona_file("owl", front(*lines)).warnings
    assert warning.startswith(said)


# -- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        (["name: a: b"], 2, "belongs in quotes"),
        (["name: 'a"], 2, "this is no YAML"),
        (["\tname: a"], 2, "this is no YAML"),
        (["channels: [*]"], 2, "belongs in quotes"),
        (["- name"], 2, "such as name: Owl"),
        (["name: a", "name: b"], 3, "name is there twice"),
        (["name: [a]"], 2, "a text is wanted here"),
        ([f"name: {'x' * 61}"], 2, "61 characters, of 60 at most"),
        (["channels:", "  - #general"], 3, "an entry is empty; a # begins a comment"),
        (["cares_about:", *["  - x"] * 21], 23, "more than 20 are too many"),
        (["dislikes: {a: b}"], 2, "a text is wanted here"),
        (["name: a", "quiet_hours: late"], 3, "quiet_hours are hours such as 23:00-07:30"),
        (["quiet_hours: 25:00-07:00"], 2, '"25:00-07:00" is not'),
        (["with_style: a bit"], 2, 'with_style is yes or no; "a bit" is not'),
        (["examples:", "  - said: hi"], 3, "an example is a text, or said and answer"),
        (["examples:", "  - hi", "  - nine: works"], 4, "a text with a colon belongs in quotes"),
        (["examples:", "  - said: [a]", "    answer: b"], 3, "nothing is that deep here"),
        (["examples:", "  - said: a", "    answer:"], 4, "an entry is empty"),
        (["examples:", f"  - {'x' * 301}"], 3, "301 characters"),
        (["a: &x [1]", "name: *x"], 2, "belongs in quotes"),
        (["name: *x"], 2, "belongs in quotes"),
        (["name: !!python/object/apply:os.system [ls]"], 2, "belongs in quotes"),
        (["name: " + "[" * 5000], 2, "nothing is that deep here"),
        (["name: a\0"], 2, "a character that no text has"),
        (["name: \ufffe"], 1, "none that YAML takes"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_line(
    lines: list[str], line: int, said: str
) -> None:
    with pytest.raises(PersonaFileError) as found:
        parse_persona_file("owl", front(*lines))
    sentence = str(found.value)
    assert sentence.startswith(f"owl.md, line {line}: ")
    assert said in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_the_whole_file_has_bounds(tmp_path: Path) -> None:
    path = tmp_path / "owl.md"
    for raw, said in (
        (b"x" * (MOST_BYTES + 1), "owl.md is longer than 64 KB"),
        (b"x" * 4001, "owl.md, line 1: 4,001 characters, of 4,000 at most"),
        (b"---\nname: a\nYou are {name}.", "owl.md, line 1: the front matter has no end"),
        (b"---\nname: a\n---\nna\xefve", "owl.md, line 4: this is not UTF-8"),
        ("---\nname: a\n---\nx".encode("utf-16"), "owl.md, line 1: this is not UTF-8"),
    ):
        path.write_bytes(raw)
        with pytest.raises(PersonaFileError, match=said):
            read_persona_file(path)
    path.unlink()
    with pytest.raises(PersonaFileError, match=r"owl\.md cannot be read \(No such file"):
        read_persona_file(path)


def test_no_text_brings_it_down_or_keeps_it_busy() -> None:
    pieces = [
        *"---\n:-[]{}&*!|>'\"%@`#,? \t",
        "name: ",
        "examples:\n  - ",
        "said: a\n",
        "a: b\n",
        "é\u2028\x85😀",
    ]
    draw = random.Random(8)
    begun_s = time.process_time()
    read, sentences = 0, []
    for _ in range(1500):
        text = "---\n" + "".join(draw.choices(pieces, k=draw.randint(1, 40))) + "\n---\nvoice"
        try:
            read += isinstance(parse_persona_file("owl", text), PersonaFile)
        except PersonaFileError as error:
            sentences.append(str(error))
    assert read
    assert sentences
    assert all(one.startswith("owl.md, line ") for one in sentences)
    for long in ("- " * 30_000, "[" * 60_000, "a: " * 20_000, "&a " * 20_000, "'" * 60_000):
        with pytest.raises(PersonaFileError):
            parse_persona_file("owl", f"---\n{long}\n---\n")
    assert time.process_time() - begun_s < 20


# -- what a prompt begins with ---------------------------------------------------------------------


def test_voice_cares_and_examples_make_the_persona() -> None:
    assert joined(served(OWL)) == (
        "You are Mynah, the night owl of The Lantern.\nDry.\n"
        "You care about retro games, no and 2025.\n"
        "You dislike spoilers.\n"
        "How you talk:\n"
        "> anyone awake?\nMynah: define awake\n"
        "Mynah: two lines\n  of its own"
    )


def test_the_style_of_the_place_follows_where_that_is_wanted() -> None:
    with_voice = [piece.text for piece in served(OWL, voice="Write as people do here.")]
    assert with_voice[-1] == "Write as people do here."
    alone = parse_persona_file("owl", "You are grumpy.")
    assert served(alone, voice="Write as people do here.") == [Piece("You are grumpy.")]


def test_without_a_text_the_voice_stays_what_it_is() -> None:
    file = parse_persona_file("owl", "---\ncares_about: cats\n---\n")
    default = joined(serving_persona(Settings(), name="Mynah", server="The Lantern", voice="V."))
    assert joined(served(file, voice="V.")) == f"{default}\nYou care about cats."
    tuned = ServedAs((("Mynah", "As trained."),))
    assert joined(served(file, served=tuned)) == "As trained.\nYou care about cats."
    # What somebody wrote stands before what a model was trained with.
    assert joined(served(OWL, served=tuned)).startswith("You are Mynah, the night owl")


@pytest.mark.parametrize("path", sorted(SHIPPED_PERSONAS.glob("*.md")), ids=lambda path: path.stem)
def test_what_is_shipped_is_good(path: Path) -> None:
    file = read_persona_file(path)
    assert file.warnings == ()
    assert file.name
    assert file.channels == ()
    assert file.with_style
    persona = joined(served(file))
    assert persona.startswith("You are Mynah, ")
    assert "{" not in persona
    assert len(persona) < 1600  # about 400 tokens: less than a third of a small prompt


def test_there_are_examples() -> None:
    assert len(list(SHIPPED_PERSONAS.glob("*.md"))) >= 3
