"""Which persona file counts in a channel: those of the home's folder, read again as they change.

    personas/*.md        the owner's own; one counts where a setting or its `channels` names it
    bot/personas/*.md    examples that Mynah ships with: one counts where a setting names it

A file that breaks keeps what was read of it last, and says why. The folder is watched, and looked
at each second besides: that finds what no system tells of, such as a file on a network drive.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from watchfiles import Change, awatch

from data.persona_file import PersonaFile, PersonaFileError, read_persona_file
from storage.paths import SHIPPED_PERSONAS
from storage.records import ChannelRecord
from storage.settings import Settings

log = logging.getLogger(__name__)

LOOK_MS = 1000
SETTLE_MS, SETTLED_MS = 400, 50
"""A file that is being written is read when nothing happened for so long, and after the first of
these in any case."""
MOST_FILES = 100
"""More, in the order of their names, are not read."""


@dataclass(frozen=True)
class Kept:
    """What is known of one file."""

    file: PersonaFile | None
    """As it was when it could be read last; None: never."""
    broken: str = ""
    """A sentence on why it cannot be read now."""


class PersonaFiles:
    """One home's."""

    def __init__(self, folder: Path | None = None, shipped: Path = SHIPPED_PERSONAS) -> None:
        """Reads nothing. `folder` None: there are the shipped ones alone."""
        self._folder = folder
        self._shipped = shipped
        self._reading = threading.Lock()
        self._stamp: object = None
        self._own: Mapping[str, Kept] = MappingProxyType({})
        """By the stem, case-folded, in their order. Replaced as a whole."""
        self._examples: Mapping[str, Kept] = MappingProxyType({})
        self._missed: set[str] = set()
        """Named and not there: what was already said in the log."""

    # -- which one counts ------------------------------------------------------------------------

    def counting(
        self, settings: Settings, channel: ChannelRecord, parent: str = ""
    ) -> PersonaFile | None:
        """The file that the setting persona_file names; else the first that names the channel, then
        the first that names its parent, then the first that is for all. None: none does. `settings`
        are the channel's own, `parent` is the name of a thread's channel. Any thread."""
        if named := _stem(settings.text("persona_file")):
            kept = self._own.get(named) or self._examples.get(named)
            if kept is not None and kept.file is not None:
                return kept.file
            if named not in self._missed:
                self._missed.add(named)
                log.warning("%s", self._why_missing(named))
        where = (channel.channel_id, channel.name, channel.parent_id, parent)
        nearest = max(_files(self._own), key=lambda file: file.nearness(*where), default=None)
        return nearest if nearest is not None and nearest.nearness(*where) else None

    def states(self, named: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
        """For people: each file's "state" ("good", or "broken: " and why) and "channels". `named`:
        what settings name, so that a shipped example that counts, and what is missing, is there."""
        found = {stem: _state(kept) for stem, kept in self._own.items()}
        for stem in filter(None, map(_stem, named)):
            if stem not in found:
                kept = self._examples.get(stem) or Kept(None, self._why_missing(stem))
                found[stem] = _state(kept)
        return found

    def names(self) -> list[str]:
        """What the setting persona_file may name."""
        kept = {**self._examples, **self._own}
        return sorted(stem for stem, one in kept.items() if one.file is not None)

    def told(self, settings: Settings, channel: ChannelRecord, parent: str = "") -> str:
        """Which one counts in a channel and why, which there are, and which are broken."""
        file = self.counting(settings, channel, parent)
        is_named = file is not None and file.stem.casefold() == _stem(settings.text("persona_file"))
        why = "the setting persona_file" if is_named else "its channels"
        lines = [
            "No persona file counts here."
            if file is None
            else f"{file.name or file.stem} speaks here ({file.stem}.md, by {why}).",
            f"There are: {', '.join(self.names())}.",
            *(_sentence(kept) for kept in self._own.values() if kept.broken),
        ]
        return "\n".join(lines)

    # -- reading ---------------------------------------------------------------------------------

    def read(self) -> bool:
        """Read all files; whether another persona may count anywhere. Blocking, never raises."""
        with self._reading:
            self._stamp = self._state_of_folder()
            examples = {} if self._examples else _read_all(self._shipped, {})
            own = {} if self._folder is None else _read_all(self._folder, self._own)
            before, self._own = self._own, MappingProxyType(own)
            self._examples = self._examples or MappingProxyType(examples)
            self._missed.clear()
            _tell(before, own)
        return _files(before) != _files(own)

    def look(self) -> bool:
        """The same where a file is another than when it was read."""
        return self._state_of_folder() != self._stamp and self.read()

    async def watch(self, changed: Callable[[], None]) -> None:
        """Read what changes within about a second, and call `changed` then. Never ends. Makes the
        folder. Event loop's thread."""
        if (folder := self._folder) is None:
            await asyncio.Event().wait()
            return
        with suppress(OSError):  # then it is looked at until it is there
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        is_told = False
        while True:
            try:
                await self._watch(folder, changed)
            except (OSError, RuntimeError) as error:
                if not is_told:
                    log.info("%s is looked at each second (%s).", folder, error)
                    is_told = True
            await self._follow(changed, self.look)
            await asyncio.sleep(LOOK_MS / 1000)

    async def _watch(self, folder: Path, changed: Callable[[], None]) -> None:
        """Until the folder cannot be watched. Raises OSError, RuntimeError."""
        events = awatch(
            folder,
            watch_filter=_is_persona,
            debounce=SETTLE_MS,
            step=SETTLED_MS,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        async with aclosing(events):
            async for changes in events:
                await self._follow(changed, self.read if changes else self.look)

    async def _follow(self, changed: Callable[[], None], read: Callable[[], bool]) -> None:
        if await asyncio.to_thread(read):
            changed()

    def _state_of_folder(self) -> object:
        if self._folder is None:
            return None
        try:
            return [(path, *_mark(path)) for path in _paths(self._folder)]
        except OSError:
            return None

    def _why_missing(self, stem: str) -> str:
        kept = self._own.get(stem)
        if kept is not None:
            return f"The persona file {stem}.md that a setting names counts not yet. {kept.broken}"
        return f"There is no {stem}.md in {self._folder}, which the setting persona_file names."


def _read_all(folder: Path, before: Mapping[str, Kept]) -> dict[str, Kept]:
    """By stem. A folder that cannot be listed holds what it held."""
    try:
        paths = _paths(folder)
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("%s cannot be read (%s).", folder, error.strerror or error)
        return dict(before)
    if len(paths) > MOST_FILES:
        log.warning("%s holds more than %s files; the others do not count.", folder, MOST_FILES)
    return {_stem(path.name): _read(path, before) for path in paths[:MOST_FILES]}


def _read(path: Path, before: Mapping[str, Kept]) -> Kept:
    try:
        return Kept(read_persona_file(path))
    except PersonaFileError as error:
        kept = before.get(_stem(path.name))
        return Kept(kept.file if kept is not None else None, str(error))


def _paths(folder: Path) -> list[Path]:
    """The folder's persona files, in the order of their names. Raises OSError."""
    found = (path for path in folder.iterdir() if _is_persona(Change.added, str(path)))
    return sorted((path for path in found if path.is_file()), key=lambda path: _stem(path.name))


def _is_persona(change: Change, path: str) -> bool:
    """Not what editors keep beside: .owl.md.swp, .#owl.md."""
    name = Path(path).name
    return name.lower().endswith(".md") and not name.startswith(".")


def _stem(name: str) -> str:
    return name.strip().casefold().removesuffix(".md")


def _mark(path: Path) -> tuple[int, int]:
    """(0, 0) for one that went meanwhile."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _files(kept: Mapping[str, Kept]) -> list[PersonaFile]:
    return [one.file for one in kept.values() if one.file is not None]


def _state(kept: Kept) -> dict[str, Any]:
    state = f"broken: {_sentence(kept)}" if kept.broken else "good"
    return {"state": state, "channels": list(kept.file.channels) if kept.file else []}


def _sentence(kept: Kept) -> str:
    counts = "Nothing of it counts." if kept.file is None else "What was read before counts on."
    return f"{kept.broken} {counts}"


def _tell(before: Mapping[str, Kept], now: Mapping[str, Kept]) -> None:
    """Say in the log what is new."""
    for stem, kept in now.items():
        if kept == before.get(stem):
            continue
        if kept.broken:
            log.warning("A persona file is broken. %s", _sentence(kept))
        elif kept.file is not None:
            log.info("The persona file %s.md was read.", stem)
            for warning in kept.file.warnings:
                log.warning("%s", warning)
    for stem in before.keys() - now.keys():
        log.info("The persona file %s.md is gone.", stem)
