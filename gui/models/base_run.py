"""Getting the base that a profile trains: what it is, its licence, and the download.

scripts/download_base.py. What has come stays, and the same again goes on there. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.models.words import size_words
from gui.script_run import ScriptRun

SCRIPT = "download_base.py"


@dataclass(frozen=True)
class BaseOffer:
    """A base that can be downloaded."""

    base: str
    name: str
    licence: str
    licence_url: str
    must_be_accepted: bool
    """Whether its licence has conditions."""
    size_bytes: int
    has_part: bool = False
    """Whether a part of it has come."""


class BaseRun(Outlasting):
    """The window's one; one download at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.offers: dict[str, BaseOffer] = {}
        """By base; {} until they are known."""
        self.base = ""
        """The one that is being downloaded; "" while none is."""
        self.share: float | None = None
        """How much of it has come, 0 to 1."""
        self.failure = ""
        """Why it failed; "" where it did not."""
        self._run: ScriptRun | None = None
        self._is_looking = False

    def look(self, app: AppModel) -> None:
        """Find out what can be downloaded, unless that is known."""
        if self.offers or self._is_looking:
            return

        def listed(answer: dict[str, Any]) -> None:
            self._is_looking = False
            self.offers = offers_of(answer)
            self.tell()

        def failed(reason: str) -> None:
            self._is_looking, self.failure = False, reason
            self.tell()

        self._is_looking = True  # before: where the script cannot start, `failed` comes at once
        app.run_script(SCRIPT, "list", "--json", done=listed, failed=failed)

    def start(self, app: AppModel, base: str, *, accepts: bool) -> None:
        """Download it; `accepts`: the user has just accepted its licence."""
        if self.base:
            return
        self.base, self.share, self.failure = base, None, ""
        accepted = ("--accept-licence",) if accepts else ()
        self._run = app.run_script(
            SCRIPT,
            *("get", base, *accepted, "--json", "--events"),
            on_line=self._heard,
            done=lambda result: self._end(app, ""),
            failed=lambda reason: self._end(app, reason),
        )
        self.tell()

    def cancel(self) -> None:
        """Leave it off; what has come stays."""
        if self._run is not None:
            self._run.cancel()

    def words(self, base: str) -> str:
        """What is to be said of a base that is missing; "" while nothing is known of it."""
        offer = self.offers.get(base)
        if offer is None:
            return ""
        size = size_words(offer.size_bytes)
        if self.base == base:
            come = "" if self.share is None else f" {100 * self.share:.0f} % of"
            return f"{offer.name} is being downloaded:{come} {size}."
        words = f"This profile trains {offer.name}, which is to be downloaded first: {size}. "
        words += f"Its licence is {offer.licence}, {offer.licence_url}."
        return words + (" A part of it has come." if offer.has_part else "")

    def _heard(self, line: dict[str, Any]) -> None:
        if line.get("event") == "progress" and line.get("steps"):
            self.share = min(1.0, line["step"] / line["steps"])
            self.tell()

    def _end(self, app: AppModel, reason: str) -> None:
        was_cancelled = self._run is not None and self._run.is_cancelled
        self.base, self._run = "", None
        self.failure = "" if was_cancelled else reason
        self.offers = {}  # what of it has come is asked anew
        app.tell("data")
        self.tell()


def offers_of(answer: Mapping[str, Any]) -> dict[str, BaseOffer]:
    """Out of what `download_base.py list --json` prints, by base."""
    return {
        str(one["base"]): BaseOffer(
            str(one["base"]),
            str(one["name"]),
            str(one["licence"]),
            str(one["licence_url"]),
            bool(one["must_be_accepted"]),
            int(one["download_bytes"]),
            bool(one["part_bytes"]),
        )
        for one in answer.get("bases", ())
    }
