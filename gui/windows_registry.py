"""A user's own part of Windows' registry: text and bytes by key and name. Not tried here."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import winreg

    class WindowsRegistry:
        """HKEY_CURRENT_USER. Raises OSError."""

        def get(self, key: str, name: str) -> str | bytes | None:
            """None where there is no such value."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as opened:
                    value, _ = winreg.QueryValueEx(opened, name)
            except FileNotFoundError:
                return None
            return value if isinstance(value, (str, bytes)) else None

        def set(self, key: str, name: str, value: str | bytes) -> None:
            kind = winreg.REG_SZ if isinstance(value, str) else winreg.REG_BINARY
            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
                winreg.SetValueEx(opened, name, 0, kind, value)

        def delete(self, key: str, name: str) -> None:
            """No error where there is none."""
            try:
                access = winreg.KEY_SET_VALUE
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key, 0, access) as opened:
                    winreg.DeleteValue(opened, name)
            except FileNotFoundError:
                return

else:

    class WindowsRegistry:
        """There is none on this system."""

        def get(self, key: str, name: str) -> str | bytes | None:
            raise OSError("Windows alone has a registry")

        def set(self, key: str, name: str, value: str | bytes) -> None:
            raise OSError("Windows alone has a registry")

        def delete(self, key: str, name: str) -> None:
            raise OSError("Windows alone has a registry")
