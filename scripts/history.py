"""Brings a history into a home, once: exports, or the sample community, The Lantern."""

from __future__ import annotations

import sys
from pathlib import Path

from data.importers.import_progress import ProgressLine
from data.importers.importing import import_paths
from data.importers.summary import ImportSummary
from storage import manifest
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import Origin

FOLDER = "the-lantern"


class HistoryError(MynahError):
    """There is no history there, or it may not come into this home."""


def sample_files(home: Home) -> list[Path]:
    """The Lantern's export files in a home, written where they are missing."""
    from data.samples.lantern import write_lantern

    folder = home.messages / FOLDER
    if manifest.read_manifest(folder) is None:
        with manifest.making(folder) as making:
            counts = {"files": len(write_lantern(making))}
            manifest.write_manifest(making, "sample", {"name": "The Lantern"}, counts)
    return [folder / name for name in manifest.verify_manifest(folder).files]


def exclude_sample_members(database: Database) -> None:
    """Two members of The Lantern do not want to be learned from."""
    from data.samples.lantern import EXCLUDED_MEMBER_IDS

    for member_id in EXCLUDED_MEMBER_IDS:
        database.set_excluded(int(member_id), True)


def bring_history(
    home: Home, database: Database, files: list[Path], origin: Origin
) -> ImportSummary | None:
    """Import files, once as long as they stay the same; None where that was done before.

    A home holds the sample or a real history: invented people are never mixed with real ones.
    Raises HistoryError.
    """
    refuse_mixing(home, database, origin)
    inputs = {"files": [_described(f) for path in files for f in _files_below(path)]}
    mark = home.data_storage / "steps" / "history"
    found = manifest.read_manifest(mark)
    held = database.history_state()["messages"]
    if found is not None and found.config == inputs and held >= found.counts["messages"]:
        return None
    line = ProgressLine(sys.stderr)
    with manifest.making(mark) as folder:
        summary = import_paths(
            database, files, origin=origin, quarantine=home.quarantine, progress=line.show
        )
        line.end()
        if not summary.messages:
            raise HistoryError(
                f"No message was found there ({len(summary.skipped)} files were no export). "
                "--import takes DiscordChatExporter's JSON (.json, .json.gz, .zip) and folders."
            )
        if origin is Origin.SAMPLE:
            exclude_sample_members(database)
        manifest.write_manifest(folder, "history", inputs, {"messages": summary.messages})
    return summary


def refuse_mixing(home: Home, database: Database, origin: Origin) -> None:
    """Raise HistoryError where what the home holds does not go with what is to come."""
    origins = database.origins() - {Origin.PLAYGROUND}
    if not origins or (Origin.SAMPLE in origins) == (origin is Origin.SAMPLE):
        return
    held = "the sample community" if Origin.SAMPLE in origins else "another history"
    raise HistoryError(
        f"{home.root} holds {held} already. Choose another folder for this one: --home DIR."
    )


def _files_below(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _described(file: Path) -> list[object]:
    """What tells a changed export from the same one."""
    if not file.exists():
        raise HistoryError(f"{file} does not exist.")
    stat = file.stat()
    return [str(file), stat.st_size, stat.st_mtime_ns]
