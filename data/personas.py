"""Who is learned as whom: all members as one persona, or some of them as personas of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.errors import MynahError
from storage.records import MemberRecord

_MOST_NAMED = 5


class PersonaError(MynahError):
    """Whom a persona is to be learned from is not clear; the sentence says what to write."""


@dataclass(frozen=True)
class PersonaText:
    """Who the model is trained to be."""

    name: str
    text: str
    """The persona as every prompt begins with it, names filled in."""


class Personas:
    """The persona that each member's replies are learned as. Frozen once made; any thread."""

    def __init__(self, everybody: PersonaText | None, of_member: Mapping[int, PersonaText]) -> None:
        """`everybody`: the persona of all who are not in `of_member`; None: they are no targets."""
        self._everybody = everybody
        self._of_member = dict(of_member)

    @classmethod
    def blend(cls, persona: PersonaText) -> Personas:
        """All members together, as one persona."""
        return cls(persona, {})

    @classmethod
    def of_targets(
        cls,
        targets: Sequence[tuple[str, Sequence[str]]],
        members: Iterable[MemberRecord],
        text_of: Callable[[str], str],
    ) -> Personas:
        """For each persona's name the members that it is learned from, by id, nickname or name.

        `text_of` gives a persona's text for its name. Raises PersonaError where a member is not
        found, is one of several or a bot, or is named for two personas.
        """
        people = list(members)
        of_member: dict[int, PersonaText] = {}
        for name, wanted in targets:
            if not name.strip() or not wanted:
                raise PersonaError(
                    "A target is a persona's name and who it is learned from: NAME=MEMBER."
                )
            persona = PersonaText(name.strip(), text_of(name.strip()))
            for one in wanted:
                member = _member(one, people)
                if of_member.setdefault(member.member_id, persona) != persona:
                    raise PersonaError(
                        f"{member.nickname} is named for two personas, "
                        f"{of_member[member.member_id].name} and {persona.name}: name them once."
                    )
        return cls(None, of_member)

    def of(self, member_id: int) -> PersonaText | None:
        """Whom the member's replies are learned as; None: they are not among the targets."""
        return self._of_member.get(member_id, self._everybody)

    def as_json(self) -> list[dict[str, Any]]:
        """Each persona's name, text and member ids, for a manifest; null: everybody's."""
        ids: dict[PersonaText, list[int]] = {}
        for member_id, persona in sorted(self._of_member.items()):
            ids.setdefault(persona, []).append(member_id)
        rows: list[dict[str, Any]] = [
            {"name": p.name, "text": p.text, "member_ids": own} for p, own in ids.items()
        ]
        if self._everybody is not None:
            blend = self._everybody
            rows.append({"name": blend.name, "text": blend.text, "member_ids": None})
        return rows


def _member(wanted: str, members: Sequence[MemberRecord]) -> MemberRecord:
    """The one person who is called so: by id, else as it is written, else in any case."""
    text = wanted.strip().removeprefix("@")
    folded = text.casefold()
    for found in (
        [m for m in members if str(m.member_id) == text],
        [m for m in members if text in (m.nickname, m.name)],
        [m for m in members if folded in (m.nickname.casefold(), m.name.casefold())],
    ):
        people = [m for m in found if not m.is_bot]
        if len(people) == 1:
            return people[0]
        if people:
            raise PersonaError(
                f'Several members are called "{text}". Name one by the id: {_listed(people)}.'
            )
        if found:
            raise PersonaError(f"{found[0].nickname} is a bot, and no bot's lines are learned.")
    raise PersonaError(
        f'No member is called "{text}". Name them as they stand before their lines, or by the id.'
    )


def _listed(members: Sequence[MemberRecord]) -> str:
    named = [f"{m.member_id} ({m.nickname}, account {m.name})" for m in members[:_MOST_NAMED]]
    more = len(members) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
