"""What is being erased: members with all they wrote, or single messages; ids and names alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Erased:
    """What must be found nowhere under the home any more."""

    member_ids: frozenset[int] = frozenset()
    message_ids: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    """The members' names and nicknames as they were last known."""

    def __or__(self, other: Erased) -> Erased:
        return Erased(
            self.member_ids | other.member_ids,
            self.message_ids | other.message_ids,
            self.names | other.names,
        )

    def __bool__(self) -> bool:
        return bool(self.member_ids or self.message_ids)
