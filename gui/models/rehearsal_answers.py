"""What the owner answers in a rehearsal, on its way into the database: shown at once, stored in
batches by scripts/rehearse.py, and known to be stored only when that has said so.

It goes on while another page is shown. Tk's thread alone.
"""

from __future__ import annotations

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.models.rehearsal_run import SCRIPT


class RehearsalAnswers(Outlasting):
    """The window's one. Answers are by row; "" takes one back."""

    def __init__(self) -> None:
        super().__init__()
        self.script = SCRIPT
        self.failure = ""
        """Why the last batch was not stored; "" where it was."""
        self.fresh: dict[int, str] = {}
        """Stored since the rows were read."""
        self._waiting: dict[int, str] = {}
        self._sending: dict[int, str] = {}

    @property
    def unstored(self) -> int:
        """How many answers are not known to be stored."""
        return len({**self._sending, **self._waiting})

    def is_stored(self, row_id: int) -> bool:
        """Whether nothing of this row is on its way."""
        return row_id not in self._waiting and row_id not in self._sending

    def answer_of(self, row_id: int, stored: str) -> str:
        """What was answered; `stored` is what the database said."""
        for given in (self._waiting, self._sending, self.fresh):
            if row_id in given:
                return given[row_id]
        return stored

    def give(self, app: AppModel, row_id: int, answer: str) -> None:
        """Answer; it is sent at once, or with the next batch."""
        self._waiting[row_id] = answer
        self.tell()
        self.send(app)

    def send(self, app: AppModel) -> None:
        """Store what waits; nothing where a batch is on its way."""
        if self._sending or not self._waiting:
            return
        self._sending, self._waiting, self.failure = self._waiting, {}, ""
        lines = "".join(f"{row_id}={answer}\n" for row_id, answer in self._sending.items())
        app.run_script(
            self.script,
            "answer",
            "--json",
            stdin=lines,
            done=lambda result: self._stored(app),
            failed=self._failed,
        )

    def _stored(self, app: AppModel) -> None:
        self.fresh.update(self._sending)
        self._sending = {}
        self.tell()
        self.send(app)

    def _failed(self, reason: str) -> None:
        """They wait again, but for those that were changed meanwhile."""
        self._waiting = {**self._sending, **self._waiting}
        self._sending, self.failure = {}, reason
        self.tell()

    def forget_fresh(self, read: dict[int, str]) -> None:
        """The rows were read after these had been stored."""
        for row_id, answer in read.items():
            if self.fresh.get(row_id) == answer:
                del self.fresh[row_id]
