"""A window in a process of its own, with a command in the real bot's place, for tests that kill it.

python window_process.py HOME COMMAND...
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gui import toolkit_fonts  # noqa: F401
from gui.app import Window
from storage.paths import Home

if __name__ == "__main__":
    window = Window(Home(Path(sys.argv[1])), command=sys.argv[2:])
    window.run()
