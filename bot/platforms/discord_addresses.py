"""Where Discord is: its own addresses, or those of a proxy or of a stand-in in tests."""

from __future__ import annotations

import discord.gateway
import discord.http
import yarl

from storage.errors import MynahError


class BadAddressError(MynahError):
    """An address that no request can go to."""


def use_addresses(api: str | None, gateway: str | None) -> None:
    """Send everything that follows there; None leaves an address as it is.

    `api` is the base of the REST API with its version, such as "http://127.0.0.1:8080/api/v10";
    `gateway` a WebSocket's URL, such as "ws://127.0.0.1:8080/gateway". Call it before connecting.
    Holds for the whole process: discord.py keeps both on its classes. Raises BadAddressError.
    """
    if api:
        discord.http.Route.BASE = str(_address(api, "MYNAH_DISCORD_API", "http")).rstrip("/")
    if gateway:
        found = _address(gateway, "MYNAH_DISCORD_GATEWAY", "ws")
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = found


def _address(text: str, variable: str, scheme: str) -> yarl.URL:
    try:
        found = yarl.URL(text.strip())
    except ValueError:
        found = yarl.URL()
    if found.scheme not in (scheme, f"{scheme}s") or not found.host:
        raise BadAddressError(
            f'{variable} is an address that begins with {scheme}:// or {scheme}s://; "{text}" is '
            "not. Leave it out to use Discord's own."
        )
    return found
