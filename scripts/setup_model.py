"""The last question of setup_bot.py: does a base, a file, an address or a download answer?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from scripts.check_model import look_at_model
from scripts.setup_questions import ask, choose_one
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home
from storage.settings import Settings

REGISTRY = PROGRAM_DIR / "scripts" / "6_manage_models.py"
CATALOGUE = PROGRAM_DIR / "scripts" / "download_model.py"


class ModelQuestion:
    """One asking. `store` keeps a setting."""

    def __init__(
        self, home: Home, settings: Settings, store: Callable[[str, object], object]
    ) -> None:
        self.home = home
        self.settings = settings
        self.store = store

    def answer(self) -> None:
        """Ask until there is a model, and store which."""
        path = self.settings.text("model_path")
        ways = [("The deployed model, else the small base that ships with Mynah", self._base)]
        ways.append((f"A GGUF file{f' (now {path})' if path else ''}", self._file))
        if "model_url" in self.settings:
            ways.append(("A model server with an OpenAI-compatible address", self._address))
        if CATALOGUE.is_file():
            ways.append(("A larger model, downloaded", self._download))
        while not ways[choose_one([name for name, _ in ways], 1 if path else 0)][1]():
            continue

    def _base(self) -> bool:
        return self._answer_with(path="")

    def _answer_with(self, *, path: str = "", url: str = "") -> bool:
        self.store("model_path", path)
        if "model_url" in self.settings:
            self.store("model_url", url)
        return True

    def _file(self) -> bool:
        before = self.settings.text("model_path")
        answer = ask(f"Its path? [{before}]").strip("\"'") or before
        try:
            found = look_at_model(self.home.absolute(answer).expanduser().absolute())
        except MynahError as error:
            print(error)
            return False
        print(f"{found['name']}, {found['parameters'] / 1e6:,.0f} million parameters.")
        return self._answer_with(path=found["path"])

    def _address(self) -> bool:
        before = self.settings.text("model_url")
        answer = ask(f"Its address, such as http://127.0.0.1:8080/v1? [{before}]") or before
        if not answer.startswith(("http://", "https://")):
            print("An address begins with http:// or https://.")
            return False
        return self._answer_with(url=answer)

    def _download(self) -> bool:
        catalogue = [sys.executable, str(CATALOGUE), "--home", str(self.home.root)]
        listed = subprocess.run(
            [*catalogue, "list", "--json"], stdout=subprocess.PIPE, encoding="utf-8"
        )
        offers = json.loads(listed.stdout)["models"] if listed.returncode == 0 else []
        if not offers:
            return False
        names = [
            f"{one['name']}  {one['size_bytes'] / 1e9:.1f} GB, {one['licence']}, {one['fit']}"
            for one in offers
        ]
        got = subprocess.run(
            [*catalogue, "get", offers[choose_one(names)]["id"], "--json"],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        if got.returncode != 0:
            return False
        version = json.loads(got.stdout.splitlines()[-1])["version"]
        deploy = [sys.executable, str(REGISTRY), "deploy", version, "--home", str(self.home.root)]
        if subprocess.run(deploy).returncode != 0:
            return False
        return self._answer_with(path="")
