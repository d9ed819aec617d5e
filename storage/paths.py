"""Where everything lies: the program's own folder and one home folder. Standard library alone.

Two homes never meet: every path of a user's data is reached through one `Home`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.errors import MynahError

PROGRAM_DIR = Path(__file__).resolve().parent.parent
DEMO_BASE_DIR = PROGRAM_DIR / "models" / "demo-base"
SHIPPED_PERSONAS = PROGRAM_DIR / "bot" / "personas"


class HomeError(MynahError):
    """The home folder cannot be used."""


@dataclass(frozen=True)
class Home:
    """One home folder. Making the value touches nothing; `ensure()` makes the folders."""

    root: Path

    @property
    def env_file(self) -> Path:
        return self.root / ".env"

    @property
    def data_storage(self) -> Path:
        return self.root / "data_storage"

    @property
    def bot_lock(self) -> Path:
        """Held by the operating system for as long as a bot of this home runs (filelock)."""
        return self.data_storage / "bot.lock"

    @property
    def database(self) -> Path:
        return self.data_storage / "database" / "mynah.db"

    @property
    def tombstone_key(self) -> Path:
        """What the hashes of forgotten members are keyed with; without it nobody can tell them."""
        return self.data_storage / "tombstone.key"

    @property
    def backups(self) -> Path:
        return self.data_storage / "backups"

    @property
    def messages(self) -> Path:
        return self.data_storage / "messages"

    @property
    def personal_exports(self) -> Path:
        """What members asked for of what is stored of them: scripts/privacy.py export."""
        return self.data_storage / "exports"

    @property
    def scratch(self) -> Path:
        """Databases of a rehearsal that is going on (storage/scratch.py)."""
        return self.data_storage / "rehearsing"

    @property
    def quarantine(self) -> Path:
        return self.data_storage / "quarantine"

    @property
    def embeddings(self) -> Path:
        return self.data_storage / "embeddings"

    @property
    def datasets(self) -> Path:
        return self.data_storage / "training"

    @property
    def evaluations(self) -> Path:
        """What models were judged by, a folder a version: it quotes members."""
        return self.data_storage / "evaluations"

    @property
    def logs(self) -> Path:
        return self.data_storage / "logs"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def personas(self) -> Path:
        """Persona files of the owner's own (data/persona_file.py)."""
        return self.root / "personas"

    @property
    def checkpoints(self) -> Path:
        return self.models / "checkpoints"

    @property
    def finetuned(self) -> Path:
        return self.models / "finetuned"

    @property
    def embedder(self) -> Path:
        return self.models / "embedder"

    def ensure(self) -> Home:
        """Make the folders that every part expects and return self. Raises HomeError.

        `data_storage`, which holds everybody's words, is its owner's alone where the system knows
        such modes (0700).
        """
        folders = (self.database.parent, self.messages, self.datasets, self.logs, self.finetuned)
        try:
            self.data_storage.mkdir(mode=0o700, parents=True, exist_ok=True)
            _close_to_others(self.data_storage)
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.root, error) from error
        return self

    def relative(self, path: Path) -> str:
        """`path` as the database keeps it: relative to the home where it lies inside, else
        absolute."""
        resolved = path.resolve()
        root = self.root.resolve()
        return resolved.relative_to(root).as_posix() if root in resolved.parents else str(resolved)

    def absolute(self, stored: str) -> Path:
        """The inverse of `relative`."""
        path = Path(stored)
        return path if path.is_absolute() else self.root / path


def find_home(argument: str | os.PathLike[str] | None = None) -> Home:
    """The home to use: the `--home` argument, else MYNAH_HOME, else the program's own folder.

    Raises HomeError where it names no place: an unknown user's ~, links in a circle.
    """
    chosen = argument or os.environ.get("MYNAH_HOME") or PROGRAM_DIR
    try:
        return Home(Path(chosen).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise _unusable(chosen, error) from error


def _close_to_others(folder: Path) -> None:
    """For one that was made before, or by somebody else: then, or on a disk without modes, it stays
    as it is."""
    if os.name == "posix" and folder.stat().st_mode & 0o777 != 0o700:
        with suppress(OSError):
            folder.chmod(0o700)


def _unusable(home: str | os.PathLike[str], error: Exception) -> HomeError:
    said = str(error).rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return HomeError(f"{home} cannot be the home ({said}); choose another with --home DIR.")
