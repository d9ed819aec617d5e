"""Setup, step 4: which server, and which of its channels Mynah reads and answers in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.wizard_check_list import CheckList, CheckRow
from gui.components.wizard_step import Step, entry, row
from gui.models.wizard_discord import Channel, Server, by_category, servers_of
from gui.models.wizard_model import StepName

LOADING = "Asking Discord \u2026"


class ChannelsStep(Step):
    """A choice of servers where there are several, and the tree of channels."""

    name = StepName.CHANNELS
    heading = "Where Mynah reads along"
    text = (
        "Mynah reads and answers in the channels that you tick, their threads included. What is "
        "said elsewhere is not even stored."
    )

    def build(self) -> None:
        self.servers: list[Server] = []
        self.server: Server | None = None
        line = row(self)
        line.grid(row=2, column=0, sticky="ew", pady=(0, theme.GAP))
        line.grid_columnconfigure(1, weight=1)
        self.choice = ctk.CTkOptionMenu(
            line,
            values=[""],
            command=self._choose,
            width=200,
            corner_radius=theme.RADIUS,
            fg_color=theme.CARD,
            button_color=theme.CARD,
            button_hover_color=theme.HOVER,
            text_color=theme.TEXT,
            dropdown_fg_color=theme.CARD,
            dropdown_text_color=theme.TEXT,
            dropdown_hover_color=theme.HOVER,
            font=theme.font(),
            dropdown_font=theme.font(),
        )
        self.only = theme.label(line, "", "bold")
        self.search = entry(line, placeholder_text="Search for a channel or category")
        self.search.grid(row=0, column=1, sticky="ew")
        self.search.bind("<KeyRelease>", lambda event: self._show())
        self.reload = theme.secondary(line, "Read again", self._look, width=100)
        self.reload.grid(row=0, column=2, padx=(theme.GAP, 0))
        self.ticks = CheckList(self, on_change=self._count, empty=LOADING)
        self.ticks.grid(row=3, column=0, sticky="nsew")
        self.grid_rowconfigure(3, weight=1)
        self.counted = theme.muted(self, "")
        self.counted.grid(row=4, column=0, sticky="ew")
        self.ticks.checked = set(self.app.settings.ids("discord_channel_ids"))
        self.wizard.allow_next(False)
        self._look()

    def first_focus(self) -> Any:
        return self.ticks.tree

    def commit(self, done: Callable[[], object]) -> None:
        assert self.server is not None
        names = {one.channel_id: one.name for one in self.server.channels}
        progress = replace(self.wizard.progress, server_name=self.server.name)
        chosen = self._chosen()
        self.wizard.keep(progress.named({one: names[one] for one in chosen if one in names}))
        values = [
            ("discord_server_id", str(self.server.server_id)),
            ("discord_channel_ids", ",".join(map(str, chosen))),
        ]
        self.store(values, done)

    # -- Discord's answer -----------------------------------------------------------------------

    def _look(self) -> None:
        self.reload.configure(state="disabled")
        self.ticks.set_empty_text(LOADING)
        self.look("check_discord.py", "servers", done=self._seen, failed=self._failed)

    def _failed(self, reason: str) -> None:
        self.reload.configure(state="normal")
        self.ticks.set_empty_text("The channels are not known yet.")
        self.wizard.fail("The channels could not be read.", reason, "Try again", self._look)

    def _seen(self, answer: dict[str, Any]) -> None:
        self.wizard.clear_failure()
        self.reload.configure(state="normal")
        self.servers = servers_of(answer)
        if not self.servers:
            self.wizard.fail(
                "The bot is on no server.",
                "Invite it first; the link stays the same.",
                "Invite it",
                lambda: self.wizard.go(StepName.INVITE),
            )
            return
        wanted = self.app.settings.ids("discord_server_id")
        self.server = next((s for s in self.servers if s.server_id in wanted), self.servers[0])
        self._show_servers()
        self._show()
        self._count()

    def _show_servers(self) -> None:
        assert self.server is not None
        place = {"row": 0, "column": 0, "sticky": "w", "padx": (0, theme.GAP)}
        if len(self.servers) == 1:
            self.choice.grid_forget()
            self.only.configure(text=self.server.name)
            self.only.grid(**place)
        else:
            self.only.grid_forget()
            self.choice.configure(values=self._titles())
            self.choice.set(self._titles()[self.servers.index(self.server)])
            self.choice.grid(**place)

    def _titles(self) -> list[str]:
        """The servers' names; two of the same name are told apart by their ids."""
        names = [server.name for server in self.servers]
        return [
            name if names.count(name) == 1 else f"{name} ({server.server_id})"
            for name, server in zip(names, self.servers, strict=True)
        ]

    def _choose(self, title: str) -> None:
        self.server = self.servers[self._titles().index(title)]
        self._show()
        self._count()

    # -- the tree -------------------------------------------------------------------------------

    def _show(self) -> None:
        if self.server is None:
            return
        groups = by_category(self.server.channels, self.search.get())
        self.ticks.set_empty_text(
            "No channel has that in its name." if self.search.get() else "There are no channels."
        )
        self.ticks.show(
            [(name or "Without category", [_row(c) for c in channels]) for name, channels in groups]
        )

    def _chosen(self) -> list[int]:
        """What is ticked on this server, in its order; and, where it is the server of before, what
        is listed but not among its channels: a single thread."""
        assert self.server is not None
        here = [c.channel_id for c in self.server.channels]
        chosen = [one for one in here if one in self.ticks.checked]
        if self.server.server_id in self.app.settings.ids("discord_server_id"):
            elsewhere = {c.channel_id for server in self.servers for c in server.channels}
            chosen += sorted(self.ticks.checked - elsewhere)
        return chosen

    def _count(self) -> None:
        if self.server is None:
            return
        count = len(self._chosen())
        words = "1 channel is ticked." if count == 1 else f"{count} channels are ticked."
        self.counted.configure(
            text=words if count else "Tick at least one channel: a click, or the space bar."
        )
        self.wizard.allow_next(count > 0)


def _row(channel: Channel) -> CheckRow:
    return CheckRow(
        channel.channel_id, f"# {channel.name}", channel.obstacle, closed=not channel.can_read
    )
