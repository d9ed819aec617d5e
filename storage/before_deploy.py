"""What stood in the registry and the settings before another version was deployed, as a small file.

The deployment itself is one transaction, and the version before keeps its file; this is for people
who want to know afterwards what was set then. Nobody's words: those are in no table that is kept
here. The last three stay.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home

KEPT = 3
FOLDER = "before-deploy"


class NotKeptError(MynahError):
    """The file could not be written, so nothing was deployed."""


def keep_before(home: Home, database: Database, version_id: str, at_ms: int) -> Path:
    """Write it, and take away all but the last three. Raises NotKeptError."""
    folder = home.backups / FOLDER
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(at_ms / 1000))
    path = folder / f"{stamp}-{version_id}.json"
    content = {
        "at_ms": at_ms,
        "deploying": version_id,
        "settings": dict(database.config_rows()),
        "channel_settings": {str(i): dict(v) for i, v in database.channel_config_rows().items()},
        "versions": [asdict(one) for one in database.model_versions()],
        "evaluations": [asdict(one) for one in database.evaluations()],
        "deployments": [asdict(one) for one in database.deployment_history()],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(content, ensure_ascii=False, indent=1))
        for old in sorted(folder.glob("*.json"))[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise NotKeptError(
            f"What stands before {version_id} could not be kept in {folder} ({error}), so nothing "
            "was deployed. Check the disk's space and the folder's rights."
        ) from error
    return path


def changed_since(home: Home, database: Database, version_id: str) -> dict[str, tuple[str, str]]:
    """Settings that were changed since that version was deployed: what each was, and what it is;
    "" where it had no value of its own. Empty where nothing is kept about it."""
    kept = sorted((home.backups / FOLDER).glob(f"*-{version_id}.json"))
    try:
        content: dict[str, Any] = json.loads(kept[-1].read_text(encoding="utf-8"))
        before = {str(name): str(value) for name, value in content["settings"].items()}
    except (IndexError, OSError, ValueError, KeyError, AttributeError):
        return {}
    now = database.config_rows()
    return {
        name: (before.get(name, ""), now.get(name, ""))
        for name in sorted({*before, *now})
        if before.get(name, "") != now.get(name, "")
    }


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
