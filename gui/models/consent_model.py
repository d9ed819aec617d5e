"""Who may be learned from, and forgetting somebody: what the page Data says and asks of scripts.

Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gui.app_model import AppModel
from gui.models.chore import Job
from gui.models.words import day_words, many
from storage.readonly import MemberRow

SCRIPT = "privacy.py"
SETTING = "consent_mode"
MODE_WORDS = {
    "retrieval_only": "Nobody: only recalled",
    "opt_in": "Who opted in",
    "declared": "All but who opted out",
}
"""What the choice shows for each value of the setting."""
MODE_HELP = {
    "retrieval_only": (
        "What was said here is recalled, and no model is trained on it; the sample community "
        "alone is learned from."
    ),
    "opt_in": (
        "A model may be trained on what members said who opted in, and on data packages that "
        "members handed over."
    ),
    "declared": "A model may be trained on what everybody said who has not opted out.",
}
NO_GROUND = (
    "What came from Discord is left out in any case until you declare a ground on the Training "
    "page."
)
_MOST_NAMES = 3

OnFailed = Callable[[str, str], object]
"""Gets what happened and why."""


class ConsentModel:
    """The mode, and whom it covers. `changed` is called after each change of what stands here."""

    def __init__(
        self, app: AppModel, changed: Callable[[], object], failed: OnFailed = lambda *why: None
    ) -> None:
        self._app = app
        self._changed = changed
        self._failed = failed
        self.coverage: Mapping[str, Any] = {}
        """As `scripts/privacy.py coverage --json` says it; {} before."""
        self.is_setting = False
        """Whether another mode is being stored."""
        self._is_counting = self._is_stale = False

    @property
    def mode(self) -> str:
        return self._app.settings.text(SETTING)

    @property
    def words(self) -> str:
        """ "14 of 30 members, 62% of messages may be learned from."."""
        if not self.coverage.get("members"):
            return "It is being counted." if self._is_counting else "Nothing is stored yet."
        return f"{self.coverage['words']} may be learned from."

    @property
    def help(self) -> str:
        """What the mode means here."""
        words = MODE_HELP[self.mode]
        is_missed = self.coverage.get("members") and not self.coverage["is_declared"]
        return f"{words} {NO_GROUND}" if is_missed and self.mode != "retrieval_only" else words

    def count(self) -> None:
        """Count anew who is covered, by a script; once more where one is at it already."""
        if self._is_counting:
            self._is_stale = True
        elif self._app.home.database.is_file():
            self._is_counting = True
            self._app.run_script(
                SCRIPT, "coverage", "--json", done=self._counted, failed=self._not_counted
            )

    def set_mode(self, mode: str) -> None:
        """Have this mode count from now on."""
        if self.is_setting or mode == self.mode:
            return

        def stored() -> None:
            self.is_setting = False
            self.count()
            self._changed()

        def failed(reason: str) -> None:
            self.is_setting = False
            self._failed("Who is learned from was not changed.", reason)
            self._changed()

        self.is_setting = True
        self._app.set_setting(SETTING, mode, stored, failed)
        self._changed()

    def _counted(self, result: dict[str, Any]) -> None:
        self.coverage = result
        self._rest()

    def _not_counted(self, reason: str) -> None:
        self.coverage = {}
        self._failed("Who may be learned from could not be counted.", reason)
        self._rest()

    def _rest(self) -> None:
        self._is_counting = False
        if self._is_stale:
            self._is_stale = False
            self.count()
        self._changed()


# -- forgetting ---------------------------------------------------------------------------------


def forget_question(member: MemberRow) -> str:
    return f"Forget {_called(member)}? This cannot be undone."


def forget_details(view: Mapping[str, Any]) -> str:
    """What will go and what will stay, from `scripts/privacy.py show --json`."""
    channels = [f"#{one['channel'] or one['channel_id']}" for one in view["said"]]
    channels = list(dict.fromkeys(channels))
    where = f" in {_listed(channels, 'channel')}" if channels else ""
    goes = [f"{many(view['messages'], 'message')}{where}"]
    if view["vectors"]:
        goes.append(many(view["vectors"], "memory vector"))
    goes += [f"{many(count, 'example')} of {name}" for name, count in view["examples"].items()]
    lines = [
        f"Goes at once: {', '.join(goes)}; and every copy under this home, in exports, reports, "
        "training sets and backups. Backups that are encrypted are removed as a whole."
    ]
    if models := view["models"]:
        lines.append(
            f"What learned from them, or may have, does not answer any more: "
            f"{_listed(models, 'model')}. An earlier model or the small base answers instead."
        )
    lines.append(
        "Stays: a keyed mark of their id, so that no fetch and no import brings them back; what "
        "others wrote, about them too; and what stands on Discord itself."
    )
    return "\n".join(lines)


def forget_job(member: MemberRow) -> Job:
    """Forget them; it cannot be left off, and goes on at the next start where it is cut off."""
    return Job(
        "The member is being forgotten",
        "The member was not forgotten.",
        SCRIPT,
        ("forget", "--member", str(member.member_id), "--yes"),
        forgotten_words,
    )


def forgotten_words(result: Mapping[str, Any]) -> str:
    """What forgetting did, in figures: no name is left to be said."""
    reports = result.get("reports") or []
    messages = sum(one["messages"] for one in reports)
    lines = [f"The member is forgotten: {many(messages, 'message')} and every copy are erased."]
    removed = [path for one in reports for path in one["removed"]]
    if removed:
        lines.append(f"{many(len(removed), 'file')} went as a whole.")
    for one in (tainted for report in reports for tainted in report["tainted"]):
        lines.append(
            f"{one['version_id']} {'learned' if one['is_known'] else 'may have learned'} from "
            f"them: train a new model by {day_words(one['retrain_by_ms'])}."
        )
    lines += [f"{one['answers_now']} answers now." for one in reports if one["answers_now"]]
    unfinished = {place: why for one in reports for place, why in one["unfinished"].items()}
    if unfinished:
        are = "is" if messages == 1 else "are"
        lines[0] = f"The member is forgotten: {many(messages, 'message')} {are} erased here."
        lines += [f"Not done yet in {place}: {why}" for place, why in unfinished.items()]
        lines.append("The rest is tried again at the bot's next start.")
    return " ".join(lines)


def _called(member: MemberRow) -> str:
    account = f" ({member.name})" if member.name != member.nickname else ""
    return f"{member.nickname}{account}"


def _listed(names: list[str], what: str) -> str:
    """ "#a, #b", or "12 channels" where they are many."""
    return ", ".join(names) if len(names) <= _MOST_NAMES else many(len(names), what)
