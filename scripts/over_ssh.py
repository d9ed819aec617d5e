"""Moves one file over ssh, there or back: with rsync, which compares both sides and goes on where
it was cut off; where that is missing (Windows) with scp. Standard library alone.

    ssh://user@host[:port]/an/absolute/path      ssh://host/~/below/the/users/folder

Names, keys and ports of hosts come from the user's own ~/.ssh/config; RSYNC_RSH says another ssh.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from storage.errors import MynahError

_ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
    r"/(?P<path>[^\0\n]+)"
)
_ODD = re.compile(r"[^\w .~/+=@,-]")


class TransferError(MynahError):
    """A file could not be moved; the sentence says what to do."""


@dataclass(frozen=True)
class Place:
    """A file or a folder on another machine."""

    host: str
    """With the user, where one is named."""
    port: str
    path: str

    @classmethod
    def parse(cls, address: str) -> Place:
        """Raises TransferError."""
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise TransferError(
                f"{address} is no such address: write ssh://user@host/path, where ssh user@host "
                "brings you there."
            )
        user = f"{found['user']}@" if found["user"] else ""
        path = found["path"]
        path = path[2:] or "." if path.startswith("~/") else f"/{path}"
        return cls(f"{user}{found['host']}", found["port"] or "", path)


def send(file: Path, folder: Place) -> str:
    """Put a file into a folder that is there; how it went, in a word. Raises TransferError."""
    there = f"{folder.host}:{folder.path.rstrip('/')}/"
    return _moved(folder, [str(file.absolute()), there])  # "a:b.zip" would be a host's b.zip


def fetch(file: Place, folder: Path) -> Path:
    """Get a file into a folder; where it lies. A cut one goes on there the next time. Raises
    TransferError."""
    name = file.path.rpartition("/")[2]
    if name in ("", ".", "..") or any(char in name for char in "\\:"):
        raise TransferError(f"{file.path} names no file on {file.host}: end it in the zip's name.")
    target = folder / name
    _moved(file, [f"{file.host}:{file.path}", str(target)])
    target.chmod(0o600)
    return target


def _moved(place: Place, ends: list[str]) -> str:
    ssh = shlex.split(os.environ.get("RSYNC_RSH", "ssh"))
    if shutil.which(ssh[0]) is None:
        raise TransferError(
            f"{ssh[0]} is not installed, which --over needs. Install OpenSSH's client (Windows: "
            "Settings, Optional features), or carry the zip yourself: --out FILE.zip here, unpack "
            "FILE.zip there."
        )
    # On Windows rsync would take "C:" for a host.
    if rsync := shutil.which("rsync") if os.name != "nt" else None:
        port = ["-p", place.port] if place.port else []
        command = [rsync, "--partial", "--perms", "--times", "--protect-args"]
        command += ["-e", shlex.join([*ssh, *port]), "--", *ends]
        how = "rsync"
    elif scp := shutil.which("scp"):
        if _ODD.search(place.path):  # an older scp hands it to the other side's shell
            raise TransferError(
                f"{place.path} has characters that scp may not carry over: install rsync, or take "
                "a path of letters, digits, blanks and ._-+~/ alone."
            )
        port = ["-P", place.port] if place.port else []
        command = [scp, "-p", "-q", *ssh[1:], *port, "--", *ends]
        how = "scp"
    else:
        raise TransferError(
            "Neither rsync nor scp is installed, which --over needs: install rsync, or carry the "
            "zip yourself."
        )
    done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise TransferError(
            f"{place.host} could not be reached, or has no {place.path} that may be used: "
            f"{_first_cause(said)}. What was moved so far stays; the same once more goes on."
        )
    return how


def _first_cause(said: list[str]) -> str:
    """ssh and rsync say the reason first and what follows from it behind."""
    return said[0].strip().rstrip(".") if said else "no reason was given"
