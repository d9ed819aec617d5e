"""Setup, step 5: who may give Mynah orders, besides those who may manage the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gui import theme
from gui.components.wizard_check_list import CheckList, CheckRow
from gui.components.wizard_step import Step, entry, row
from gui.models.wizard_discord import Person, found_among, people_of, people_shown
from gui.models.wizard_model import StepName

SEARCH_AFTER_MS = 500
LOADING = "Asking Discord \u2026"


class AdminsStep(Step):
    """The server's people, with a search that also asks Discord where the list is not whole."""

    name = StepName.ADMINS
    heading = "Who may give Mynah orders"
    text = (
        "Whoever has the right Manage Server is an admin already and may give orders like !setrate "
        "or !quiet. Tick others who may do so too, or nobody and go on."
    )

    def build(self) -> None:
        self.people: list[Person] = []
        self._is_whole = False
        self._timer = ""
        self._chosen_names: dict[int, str] = {}
        line = row(self)
        line.grid(row=2, column=0, sticky="ew", pady=(0, theme.GAP))
        line.grid_columnconfigure(0, weight=1)
        self.search = entry(line, placeholder_text="Search for a name")
        self.search.grid(row=0, column=0, sticky="ew")
        self.search.bind("<KeyRelease>", lambda event: self._typed())
        self.ticks = CheckList(self, on_change=self._changed, empty=LOADING)
        self.ticks.grid(row=3, column=0, sticky="nsew")
        self.grid_rowconfigure(3, weight=1)
        self.counted = theme.muted(self, "")
        self.counted.grid(row=4, column=0, sticky="ew")
        admins = self.app.settings.ids("admin_user_ids")
        known = self.wizard.progress.names
        self._chosen_names = {one: known.get(one, str(one)) for one in admins}
        self.ticks.checked = set(admins)
        self._count()
        self._ends.append(lambda: self.app.ui.cancel(self._timer))
        self._look("")

    def first_focus(self) -> Any:
        return self.ticks.tree

    def commit(self, done: Callable[[], object]) -> None:
        self.wizard.keep(self.wizard.progress.named(self._chosen_names))
        chosen = ",".join(map(str, sorted(self._chosen_names)))
        self.store([("admin_user_ids", chosen)], done)

    # -- Discord's answer -----------------------------------------------------------------------

    def _look(self, search: str) -> None:
        servers = self.app.settings.ids("discord_server_id")
        if not servers:
            self.ticks.set_empty_text("Choose a server first.")
            return
        self.ticks.set_empty_text(LOADING)
        words = ["--search", search] if search else []
        self.look(
            "check_discord.py",
            "members",
            str(servers[0]),
            *words,
            done=lambda answer: self._seen(answer, search),
            failed=self._failed,
        )

    def _failed(self, reason: str) -> None:
        self.ticks.set_empty_text("Nobody is known yet. You can also go on and do this later.")
        needs_intent = "Intent" in reason
        self.wizard.fail(
            "The members could not be read.",
            reason,
            "Check the token" if needs_intent else "Try again",
            lambda: self.wizard.go(StepName.TOKEN) if needs_intent else self._look(""),
        )

    def _seen(self, answer: dict[str, Any], search: str) -> None:
        found = people_of(answer)
        if search:
            known = {one.member_id for one in self.people}
            self.people += [one for one in found if one.member_id not in known]
        else:
            self.people, self._is_whole = found, answer["complete"]
        self._show()

    # -- the list -------------------------------------------------------------------------------

    def _typed(self) -> None:
        """What is known is filtered at once; Discord is asked when the typing rests."""
        self._show()
        self.app.ui.cancel(self._timer)
        search = self.search.get().strip().lstrip("@")
        if search and self.people and not self._is_whole:
            self._timer = self.app.ui.after(SEARCH_AFTER_MS, lambda: self._look(search))

    def _show(self) -> None:
        search = self.search.get()
        found = found_among(self.people, search)
        people = found if search.strip() else people_shown(found, self._chosen_names)
        self.ticks.set_empty_text("Nobody is called so." if search else "There is nobody yet.")
        self.ticks.show([("", [_row(one) for one in people])])

    def _changed(self) -> None:
        names = {one.member_id: one.label for one in self.people}
        self._chosen_names = {
            one: names.get(one, self._chosen_names.get(one, str(one))) for one in self.ticks.checked
        }
        self._count()

    def _count(self) -> None:
        count = len(self.ticks.checked)
        words = {0: "Nobody else is an admin.", 1: "1 more admin."}
        self.counted.configure(text=words.get(count, f"{count} more admins."))


def _row(person: Person) -> CheckRow:
    if person.manages:
        note = "An admin anyway: may manage the server"
        return CheckRow(person.member_id, person.label, note, closed=True, shown_ticked=True)
    return CheckRow(person.member_id, person.label)
