"""Builds small data packages of Discord's, in the layouts of several years."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.data.importers.exports import START

OWNER_ID = 101
GUILD = {"id": "1000", "name": "The Lantern"}

Room = tuple[dict[str, Any], Sequence[Mapping[str, Any]]]


def row(number: int, **changes: Any) -> dict[str, Any]:
    """Message `number` of the package; the ids are those of exports.py."""
    base = {
        "ID": 10_000 + number,
        "Timestamp": f"{START + timedelta(minutes=number):%Y-%m-%d %H:%M:%S}",
        "Contents": f"words {number}",
        "Attachments": "",
    }
    return {**base, **changes}


def room(channel_id: int = 2000, **changes: Any) -> dict[str, Any]:
    """A channel.json of a server's channel; None leaves a field out."""
    base = {"id": str(channel_id), "type": "GUILD_TEXT", "name": "general", "guild": GUILD}
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def direct(channel_id: int = 3000, **changes: Any) -> dict[str, Any]:
    """A channel.json of a direct message."""
    about = {"type": "DM", "name": None, "guild": None, "recipients": [str(OWNER_ID), "555"]}
    return room(channel_id, **{**about, **changes})


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """messages.csv, as packages had it before 2024."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["ID", "Timestamp", "Contents", "Attachments"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def package(
    rooms: Sequence[Room],
    *,
    owner: dict[str, Any] | None = None,
    messages: str = "Messages",
    account: str = "Account",
    prefix: str = "c",
    is_csv: bool = False,
    index: dict[str, Any] | None = None,
) -> dict[str, bytes]:
    """All its files by name."""
    if owner is None:
        owner = {"id": str(OWNER_ID), "username": "mira", "global_name": "Mira"}
    files = {
        "README.txt": b"Welcome to your Discord Data Package!",
        f"{account}/user.json": json.dumps({**owner, "email": "mira@example.org"}).encode(),
        f"{account}/avatar.png": b"\x89PNG",
        f"{messages}/index.json": json.dumps(index or {}).encode(),
        "Servers/1000/guild.json": json.dumps(GUILD).encode(),
        "Activity/analytics/events-2024-00000-of-00001.json": b'{"a": 1}\n{"a": 2}\n',
    }
    for about, rows in rooms:
        folder = f"{messages}/{prefix}{about['id']}"
        files[f"{folder}/channel.json"] = json.dumps(about).encode()
        ending = "csv" if is_csv else "json"
        data = as_csv(rows) if is_csv else json.dumps(rows).encode()
        files[f"{folder}/messages.{ending}"] = data
    return files


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """`files` as a zip archive at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def unzipped(folder: Path, files: Mapping[str, bytes]) -> Path:
    """`files` below `folder`."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
