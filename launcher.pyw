"""Starts Mynah's window without a terminal: a double click on Windows. All else: launcher.py.

What launcher.py would print is shown in a box where it ends with an error.
"""

import io
import sys
import traceback

said = io.StringIO()
if sys.stdout is None:  # pythonw has none, and whatever prints would fail
    sys.stdout = said
if sys.stderr is None:
    sys.stderr = said


def tell(text):
    """A box with the text. The system's own, where tkinter is what is missing."""
    try:
        from tkinter import Tk, messagebox

        root = Tk()
        root.withdraw()
        messagebox.showerror("Mynah", text)
        root.destroy()
    except Exception:
        if sys.platform == "win32":
            import ctypes

            ctypes.windll.user32.MessageBoxW(None, text, "Mynah", 0x10)


def start():
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        tell(
            "Mynah needs Python 3.10 to 3.13 and this is {}.{}: start it with one of those.".format(
                *sys.version_info[:2]
            )
        )
        return 2
    try:
        import launcher

        status = launcher.main(sys.argv[1:])
    except SystemExit as end:  # --help, a wrong flag
        status = end.code if isinstance(end.code, int) else 1
    except Exception:
        traceback.print_exc()
        tell("Mynah could not be started. In a terminal, `python launcher.py --doctor` says more.")
        return 1
    if status not in (0, 130) and said.getvalue().strip():
        tell(said.getvalue().strip())
    return status


if __name__ == "__main__":
    sys.exit(start())
