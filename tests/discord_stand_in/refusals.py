"""How Discord refuses a request."""

from __future__ import annotations

from tests.discord_stand_in.things import Json


class ApiError(Exception):
    """Discord refuses a request: the HTTP status, its own error code, and a sentence.

    `is_fault`: no correct client asks such a thing, so that it counts as a violation.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        errors: Json | None = None,
        *,
        is_fault: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_fault = is_fault
        self.body: Json = {"message": message, "code": code}
        if errors is not None:
            self.body["errors"] = errors


def form_error(name: str, code: str, message: str) -> ApiError:
    """Error 50035 (Invalid Form Body) about one field."""
    errors = {name: {"_errors": [{"code": code, "message": message}]}}
    return ApiError(400, 50035, "Invalid Form Body", errors, is_fault=True)
