"""The registry of models without a widget: what may be done with a version.

What changes a version runs as scripts/6_manage_models.py, which has a running bot try it out by
itself; a file of the user's own is a setting, which a running bot is asked to follow. The bot goes
on meanwhile. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gui.app_model import AppModel, sentence_of
from gui.models.model_listing import Listing, read_listing, size_words
from gui.script_run import ScriptRun
from storage.errors import MynahError

SCRIPT = "6_manage_models.py"
GGUF_MAGIC = b"GGUF"
FOLLOW_S = 600.0
"""How long the running bot may take to load another model and to try it out."""

OnFailed = Callable[[str, str], object]
"""Gets what happened and why."""


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side."""

    first: str
    second: str
    lines: tuple[tuple[str, str, str, bool], ...]
    """Name, the first's, the second's, and whether they differ."""


class NoGgufError(MynahError):
    """The chosen file is no model."""


class ModelsModel:
    """One page's. `changed` is called after each change of what stands here."""

    def __init__(
        self,
        app: AppModel,
        changed: Callable[[], object],
        failed: OnFailed,
        said: Callable[[str], object],
        file_set: Callable[[], object] = lambda: None,
    ) -> None:
        """`failed` gets what happened and why, `said` a line about what was done; `file_set` is
        called when another file is to answer and the bot could not be asked to take it."""
        self._app = app
        self._changed = changed
        self._failed = failed
        self._said = said
        self._file_set = file_set
        self.listing = Listing()
        self.is_read = False
        self.doing = ""
        """A sentence while something is done; one thing at a time."""
        self.comparison: Comparison | None = None
        """What was compared last."""
        self._planned: Callable[[dict[str, Any]], object] | None = None
        self._made_page: Callable[[Path], object] = lambda path: None
        self._run: ScriptRun | None = None
        self._kept_aside: list[tuple[str, str]] = []
        """Settings to be stored again where the version cannot be deployed."""

    @property
    def own_file(self) -> str:
        """The file that answers instead of the deployed version, "" where none does."""
        return self._app.settings.text("model_path").strip()

    @property
    def server(self) -> str:
        """The address of the model server that answers before any file, "" where none does."""
        return self._app.settings.text("model_url").strip()

    @property
    def deployed_words(self) -> str:
        """What answers where neither a file nor a server of the user's does."""
        is_any = any(v.status == "deployed" for v in self.listing.versions)
        return "the deployed model" if is_any else "the small base"

    @property
    def can_stop(self) -> bool:
        """Whether what is being done can be left off: what the bot itself does cannot."""
        return self._run is not None

    @property
    def can_roll_back(self) -> bool:
        """Whether another version was deployed before; the script knows for sure."""
        return any(v.status == "retired" for v in self.listing.versions)

    def reload(self) -> None:
        """Read the list anew, on a worker."""

        def shown(listing: Listing) -> None:
            self.listing, self.is_read = listing, True
            self._changed()

        home = self._app.home
        self._app.ui.run(lambda: read_listing(home), shown, self._unreadable)

    def deploy(self, version_id: str) -> None:
        """Let a version answer; its file is checked first, and a running bot tries it out."""
        self._start("deploy", version_id, doing=f"{version_id} is {self._how}.")

    def deploy_forced(self, version_id: str, why: str) -> None:
        """The same for one that has not passed; `why` is kept with the user's name."""
        force = ("--force", "--why", why)
        self._start("deploy", version_id, *force, doing=f"{version_id} is {self._how}.")

    def deploy_and_use(self, version_id: str) -> None:
        """The same, and no file or server of the user's answers instead of it any more.

        They are let go of first, as a running bot would not load the version otherwise; they come
        back where it cannot be deployed.
        """
        if self.doing:
            return
        before = self._own()

        def deploy() -> None:
            self.doing = ""
            self._kept_aside = before
            self.deploy(version_id)

        def failed(reason: str) -> None:
            self.doing = ""
            self._failed(FAILURES["deploy"], reason)
            self._store_again(before)
            self._changed()

        self.doing = f"{version_id} is put to use."
        self._changed()
        self._set_all([(name, "") for name, _ in before], deploy, failed)

    def roll_back(self) -> None:
        """Let the version before answer again."""
        self._start("rollback", doing=f"The model from before is {self._how}.")

    def verify(self, version_ids: Sequence[str] = ()) -> None:
        """Compare one file with what was registered, or all of them."""
        what = version_ids[0] if version_ids else "Every model"
        self._start("verify", *version_ids, doing=f"{what} is compared with its SHA-256.")

    def compare(self, first: str, second: str) -> None:
        """Two versions side by side; `comparison` has it then."""
        self._start("compare", first, second, doing=f"{first} and {second} are compared.")

    def plan_pruning(self, planned: Callable[[dict[str, Any]], object]) -> None:
        """What could be cleared away; `planned` gets what the script says of it. Nothing goes."""
        self._planned = planned
        self._start("prune", "--dry-run", doing="It is looked what nobody would miss.")

    def prune(self) -> None:
        """Clear that away."""
        self._planned = None
        self._start("prune", doing="Old files are cleared away.")

    def lineage(self, made: Callable[[Path], object]) -> None:
        """Make the page of where each came from; `made` gets its path."""
        self._made_page = made
        self._start("lineage", doing="The page of where each model came from is made.")

    def use_tainted(self, version_id: str, why: str) -> None:
        """Let a version answer that learned from somebody who was forgotten; `why` is kept with
        the user's name."""
        if self.doing:
            return

        def kept(result: dict[str, Any]) -> None:
            self.doing, self._run = "", None
            version = self.listing.find(version_id)
            if version is not None and version.status == "deployed":
                self._said(f"{version_id} may answer until it is retrained.")
                self._app.tell("data")
                self._changed()
            else:
                self.deploy(version_id)

        def refused(reason: str) -> None:
            self.doing, self._run = "", None
            self._failed("The model may not answer.", reason)
            self._changed()

        self.doing = f"That {version_id} may answer is kept with your name."
        self._run = self._app.run_script(
            "privacy.py", "defer", version_id, "--why", why, "--json", done=kept, failed=refused
        )
        self._changed()

    def stop(self) -> None:
        """Leave off what is being done. A script that has begun to deploy has done it or not, and a
        bot that was asked goes on."""
        if self._run is not None:
            self._run.cancel()

    def use_file(self, path: Path) -> None:
        """Answer with a file of the user's own, and with no server."""
        if self.doing:
            return

        def checked(absolute: str) -> None:
            values = [("model_url", "")] if self.server else []
            self._put_to_use([*values, ("model_path", absolute)], Path(absolute).name)

        self._app.ui.run(lambda: gguf_path(path), checked, self._unusable)

    def use_deployed(self) -> None:
        """Answer with the deployed version again, or the small base where none is."""
        words = self.deployed_words
        own = [(name, "") for name, _ in self._own()]
        self._put_to_use(own, f"{words[:1].upper()}{words[1:]}")

    # -- how -----------------------------------------------------------------------------------

    @property
    def _how(self) -> str:
        if self._app.is_online:
            return "checked, loaded and tried out; with a large model that takes a minute or more"
        return "checked and put to use"

    def _put_to_use(self, values: Sequence[tuple[str, str]], words: str) -> None:
        """Store these settings, by which `words` answers, and have a running bot follow them."""
        if self.doing:
            return
        before = [(name, self._app.settings.text(name)) for name, _ in values]

        def stored() -> None:
            if self._app.is_online:
                self._app.ask("follow", followed, refused, timeout_s=FOLLOW_S)
                return
            self._end_doing()
            self._said(f"{words} answers from the next start on.")
            self._file_set()

        def followed(answer: dict[str, Any]) -> None:
            self._end_doing()
            self._said(f"{words} answers from now on.")
            self._app.tell("data")
            self._app.refresh_stats()

        def refused(reason: str) -> None:
            self._store_again(before)
            failed(reason)

        def failed(reason: str) -> None:
            self._end_doing()
            self._failed(FAILURES["deploy"], reason)

        self.doing = f"{words} is {self._how}."
        self._changed()
        self._set_all(values, stored, failed)

    def _end_doing(self) -> None:
        self.doing = ""
        self._changed()

    def _own(self) -> list[tuple[str, str]]:
        """The settings by which something else than the deployed version answers."""
        both = (("model_url", self.server), ("model_path", self.own_file))
        return [(name, value) for name, value in both if value]

    def _set_all(
        self,
        values: Sequence[tuple[str, str]],
        done: Callable[[], object],
        failed: Callable[[str], object],
    ) -> None:
        """Store one after the other."""
        if not values:
            done()
            return
        (name, text), rest = values[0], values[1:]
        self._app.set_setting(name, text, lambda: self._set_all(rest, done, failed), failed)

    def _store_again(self, values: Sequence[tuple[str, str]]) -> None:
        def failed(reason: str) -> None:
            self._failed("What answered before could not be set again.", reason)

        self._set_all(values, lambda: None, failed)

    def _start(self, command: str, *arguments: str, doing: str) -> None:
        if self.doing:
            return
        self.doing = doing
        last: dict[str, Any] = {}
        # Before the run is made: where it cannot start, `failed` comes at once.
        self._run = self._app.run_script(
            SCRIPT,
            command,
            *arguments,
            "--json",
            on_line=last.update,
            done=lambda result: self._ended(command, result),
            failed=lambda reason: self._ended(command, last, reason),
        )
        self._changed()

    def _ended(self, command: str, result: dict[str, Any], reason: str = "") -> None:
        was_cancelled = self._run is not None and self._run.is_cancelled
        self.doing, self._run = "", None
        kept_aside, self._kept_aside = self._kept_aside, []
        if "deployed" not in result:
            self._store_again(kept_aside)
        if result.get("verified") is not None:
            self._tell_verified(result["verified"])
        elif reason and was_cancelled:
            if self._app.is_online and command in ("deploy", "rollback"):
                self._said("A bot that was asked already goes on with it.")
        elif reason:
            self._failed(FAILURES[command], reason)
        elif "deployed" in result:
            self._tell_deployed(result["deployed"]["version_id"], result.get("said", ()))
            self._app.tell("data")
            self._app.refresh_stats()
        else:
            self._take(result)
        self._changed()

    def _take(self, result: dict[str, Any]) -> None:
        """What was only asked for, or cleared away."""
        if "compared" in result:
            self.comparison = comparison_of(result)
        elif "page" in result:
            self._made_page(Path(result["page"]))
        elif result.get("is_trial"):
            if self._planned is not None:
                self._planned(result)
        else:
            self._said(f"{size_words(result['size_bytes'])} were cleared away.")
            self.reload()

    def _tell_deployed(self, version_id: str, said: Sequence[str] = ()) -> None:
        if own := self._own():
            what = "model server" if own[0][0] == "model_url" else "file of your own"
            self._said(f"{version_id} is deployed; a {what} answers instead of it (Models page).")
        else:
            self._said(" ".join([f"{version_id} answers from now on.", *said]))

    def _tell_verified(self, verified: Mapping[str, str | None]) -> None:
        problems = [problem for problem in verified.values() if problem]
        if problems:
            self._failed("A model is not what was registered.", " ".join(problems))
        elif len(verified) == 1:
            self._said(f"{next(iter(verified))}: the file is what was registered.")
        else:
            self._said(f"All {len(verified)} files are what was registered.")

    def _unreadable(self, error: Exception) -> None:
        self.is_read = True
        self._failed("The list of models cannot be read.", sentence_of(error))
        self._changed()

    def _unusable(self, error: Exception) -> None:
        self._failed("This file cannot be used.", sentence_of(error))


FAILURES = {
    "deploy": "The model was not put to use.",
    "rollback": "The model from before was not put to use.",
    "verify": "The files could not be compared.",
    "compare": "The models could not be compared.",
    "prune": "Not everything was cleared away.",
    "lineage": "The page could not be made.",
}


def comparison_of(result: Mapping[str, Any]) -> Comparison:
    """As the script prints it."""
    first, second = result["compared"]
    lines = [
        (str(one["name"]), value_words(one["first"]), value_words(one["second"]), one["differs"])
        for one in result["lines"]
    ]
    return Comparison(first, second, tuple(lines))


def value_words(value: Any) -> str:
    if value is None or value == "":
        return "\u2014"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def pruning_words(planned: Mapping[str, Any]) -> tuple[str, str]:
    """The question, and what stands below it; "" where there is nothing to clear away."""
    going = planned["going"]
    if not going:
        return "", ""
    folders = "folder" if len(going) == 1 else "folders"
    size = size_words(planned["size_bytes"])
    lines = [f"{one['what']}, {size_words(one['size_bytes'])}: {one['path']}" for one in going]
    if planned["pruned"]:
        lines.append(f"No longer able to answer: {', '.join(planned['pruned'])}.")
    return f"Clear {len(going)} {folders} away, {size}?", "\n".join(lines)


def gguf_path(path: Path) -> str:
    """Its absolute path. Blocking: on a worker. Raises NoGgufError where it is no GGUF file."""
    try:
        with path.open("rb") as file:
            is_gguf = file.read(len(GGUF_MAGIC)) == GGUF_MAGIC
    except OSError as error:
        raise NoGgufError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not is_gguf:
        raise NoGgufError(
            f"{path.name} is no GGUF file. Choose one that ends in .gguf; other kinds of model "
            "must be converted first."
        )
    return str(path.resolve())
