"""One GET over HTTP with what a big download needs: safe redirects, sentences, what to try again.

A token goes to the host that it was meant for and to none that this one redirects to (the hub sends
to its CDN); nothing of a query, where signatures stand, gets into a sentence. Blocking; any thread.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from email.message import Message
from typing import IO, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from storage.errors import MynahError

TIMEOUT_S = 30.0
"""For a connection, and for each piece that is read."""
WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""Between the attempts where nothing came in between: two minutes of patience."""
SHORT_WAITS_S = (1.0, 2.0)
"""The same before anything has come: whoever asked is sitting there."""
MOST_WAIT_S = 60.0
AGENT = "Mynah (model download)"
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_FAILED = (OSError, http.client.HTTPException)

T = TypeVar("T")


class DownloadError(MynahError):
    """Something cannot be downloaded; trying again would not help."""


class ConnectionLostError(DownloadError):
    """The network or the server failed; it may be better in a moment."""

    def __init__(self, sentence: str, wait_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s
        """How long the server asked us to wait."""


class RangeRefusedError(DownloadError):
    """416: the file is shorter than what was asked for."""


class NotThereError(DownloadError):
    """404."""


def get(
    url: str, *, headers: Mapping[str, str] | None = None, token: str = "", timeout_s: float
) -> Any:
    """The open response (an http.client.HTTPResponse), its status 200 or 206. Close it.

    Raises DownloadError of one of the kinds above.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers or {}))
        request.add_header("User-Agent", AGENT)
        request.add_header("Accept-Encoding", "identity")
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        return urllib.request.build_opener(_Redirects()).open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(shown(url), error.code, error.headers) from None
    except ValueError:
        raise DownloadError(f"{shown(url)} is no address of a file.") from None
    except _FAILED as error:
        raise lost(url, error) from None


def lost(url: str, error: Exception) -> DownloadError:
    """What a failure on the way means. A bad certificate does not get better by itself."""
    reason = getattr(error, "reason", error)
    host = urlsplit(url).hostname or "the server"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"The certificate of {host} cannot be verified ({reason.verify_message}). "
            "Check this computer's clock, and the proxy if there is one."
        )
    if isinstance(reason, TimeoutError):
        return ConnectionLostError(f"{host} did not answer in time.")
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return ConnectionLostError(f"{host} cannot be reached ({said}).")


def shown(url: str) -> str:
    """An address as it may stand in a sentence or a manifest: no user, no query, no fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "The address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def repeatedly(
    ask: Callable[[], T], waits_s: Iterable[float], sleep: Callable[[float], object] = time.sleep
) -> T:
    """What `ask` answers, asked again after each wait for as long as the connection is lost."""
    for wait_s in waits_s:
        try:
            return ask()
        except ConnectionLostError as error:
            sleep(max(wait_s, error.wait_s))
    return ask()


def _refusal(url: str, status: int, headers: Message) -> DownloadError:
    if status in (401, 403):
        return DownloadError(
            f"{url} is refused (status {status}). If it asks for an account, accept the model's "
            "licence there and put an access token into the environment variable HF_TOKEN."
        )
    if status in (404, 410):
        return NotThereError(f"There is nothing at {url} (status {status}).")
    if status == 416:
        return RangeRefusedError(f"{url} is shorter than what was kept of it.")
    if status in _AGAIN:
        asked = headers.get("Retry-After", "")
        wait_s = float(asked) if asked.isdigit() else 0.0
        return ConnectionLostError(f"{url} answers with status {status}.", min(wait_s, MOST_WAIT_S))
    return DownloadError(f"{url} answers with status {status}.")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone, back to http never; the token only within one origin."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request:
        old, new = urlsplit(req.full_url), urlsplit(urljoin(req.full_url, newurl))
        is_worse = old.scheme == "https" and new.scheme != "https"
        if new.scheme not in ("http", "https") or is_worse:
            raise DownloadError(f"{shown(req.full_url)} leads to an address that is not safe.")
        follow = urllib.request.Request(new.geturl(), headers=req.headers, method="GET")
        if (old.scheme, old.netloc) == (new.scheme, new.netloc):
            for name, value in req.unredirected_hdrs.items():
                if name == "Authorization":
                    follow.add_unredirected_header(name, value)
        return follow

    def http_error_308(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any
    ) -> Any:
        """Python 3.10 does not know it."""
        return self.http_error_302(req, fp, code, msg, headers)
