"""Who is learned as whom."""

from __future__ import annotations

import pytest

from data.personas import PersonaError, Personas, PersonaText
from storage.records import MemberRecord

MEMBERS = [
    MemberRecord(11, "mira_x", "Mira"),
    MemberRecord(12, "bobby", "Bob"),
    MemberRecord(13, "kai", "Kai"),
    MemberRecord(14, "sam1", "Sam"),
    MemberRecord(15, "sam2", "Sam"),
    MemberRecord(16, "12", "Twelve"),
    MemberRecord(17, "robot", "Robot", is_bot=True),
    MemberRecord(18, "other", "kai"),
]


def of_targets(*targets: tuple[str, list[str]]) -> Personas:
    return Personas.of_targets(targets, MEMBERS, lambda name: f"You are {name}.")


def test_everybody_is_one_persona_by_default() -> None:
    persona = PersonaText("Mynah", "You are Mynah.")
    personas = Personas.blend(persona)
    assert personas.of(11) == personas.of(999) == persona
    assert personas.as_json() == [{"name": "Mynah", "text": "You are Mynah.", "member_ids": None}]


def test_several_personas_are_learned_from_those_named() -> None:
    personas = of_targets(("Pair", ["@Mira", "BOBBY"]), ("Kai", ["13"]))
    pair, kai = PersonaText("Pair", "You are Pair."), PersonaText("Kai", "You are Kai.")
    assert [personas.of(i) for i in (11, 12, 13, 14)] == [pair, pair, kai, None]
    assert personas.as_json() == [
        {"name": "Pair", "text": "You are Pair.", "member_ids": [11, 12]},
        {"name": "Kai", "text": "You are Kai.", "member_ids": [13]},
    ]


@pytest.mark.parametrize(
    ("wanted", "member_id"), [("12", 12), ("kai", 13), ("twelve", 16), (" sam1 ", 14)]
)
def test_an_id_goes_before_a_name_and_a_name_as_written_before_others(
    wanted: str, member_id: int
) -> None:
    members = [member for member in MEMBERS if member.member_id != 18]
    personas = Personas.of_targets([("One", [wanted])], members, str)
    assert personas.as_json()[0]["member_ids"] == [member_id]


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([("One", ["nobody"])], 'No member is called "nobody"'),
        ([("One", ["Sam"])], r"14 \(Sam, account sam1\), 15 \(Sam, account sam2\)"),
        ([("One", ["kai"])], r"Several .* 13 \(Kai, account kai\), 18 \(kai, account other\)"),
        ([("One", ["Robot"])], "Robot is a bot"),
        ([("One", ["Mira"]), ("Two", ["mira"])], "Mira is named for two personas, One and Two"),
        ([("One", [])], "NAME=MEMBER"),
        ([(" ", ["Mira"])], "NAME=MEMBER"),
    ],
)
def test_what_is_not_clear_is_said(targets: list[tuple[str, list[str]]], sentence: str) -> None:
    with pytest.raises(PersonaError, match=sentence):
        of_targets(*targets)


def test_one_named_twice_for_one_persona_is_named_once() -> None:
    assert of_targets(("One", ["Mira", "11"])).as_json()[0]["member_ids"] == [11]
