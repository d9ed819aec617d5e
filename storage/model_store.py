"""The rows of the model registry; others use model_registry.py, which sees the files too."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from storage.connections import Connections, DatabaseError
from storage.deployment_store import add_deployment
from storage.message_store import to_json
from storage.records import DEPLOYED, FORCED, FORGOTTEN_MEMBER, ROLLED_BACK, ModelVersion
from storage.schema import model_versions

STATUSES = ("candidate", "judged", "deployed", "retired")

_FIELDS = tuple(field.name for field in fields(ModelVersion))
_SELECT = select(*(model_versions.c[name] for name in _FIELDS))
_LINE = _SELECT.where(
    model_versions.c.status == "retired",
    model_versions.c.deployed_at_ms.is_not(None),
    model_versions.c.pruned_at_ms.is_(None),
).order_by(model_versions.c.deployed_at_ms.desc())
"""The line of deployments that a rollback walks back along."""


class ModelStore(Connections):
    """model_versions.

    At most one is deployed (a unique index), and once one is, exactly one stays so. Any thread.
    """

    def add_model_version(self, version: ModelVersion) -> None:
        """Add a version that is not deployed. Raises DatabaseError where its id is taken."""
        if version.status not in STATUSES or version.status == "deployed":
            raise DatabaseError(f"{version.version_id} cannot be added as {version.status}.")
        values = {**vars(version), "parents": to_json(version.parents)}
        try:
            with self.writing() as connection:
                connection.execute(
                    model_versions.insert().values(**values, status_at_ms=version.created_at_ms)
                )
        except IntegrityError as error:
            raise DatabaseError(
                f"There is already a model version named {version.version_id}."
            ) from error

    def model_versions(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        query = _SELECT.order_by(model_versions.c.created_at_ms, model_versions.c.version_id)
        with self.reading() as connection:
            return [ModelVersion.from_row(row) for row in connection.execute(query)]

    def set_model_path(self, version_id: str, gguf_path: str) -> None:
        """The file lies elsewhere now."""
        with self.writing() as connection:
            _set(connection, version_id, gguf_path=gguf_path)

    def set_model_status(self, version_id: str, status: str, at_ms: int) -> None:
        """Give a version a status; `deployed` retires the one before it in the same transaction.

        Raises DatabaseError for an unknown version or status, and where the deployed version would
        be taken away without another in its place.
        """
        if status not in STATUSES:
            raise DatabaseError(f'A status is one of {", ".join(STATUSES)}; "{status}" is not.')
        with self.writing() as connection:
            current = _deployed_id(connection)
            if status != "deployed":
                if version_id == current:
                    raise DatabaseError(
                        f"{version_id} is deployed; deploy another version in its place."
                    )
                _set(connection, version_id, status=status, status_at_ms=at_ms)
            elif version_id != current:
                _deploy(connection, version_id, current, at_ms, how=DEPLOYED)

    def deploy_model(
        self, version_id: str, at_ms: int, *, how: str = DEPLOYED, who: str = "", why: str = ""
    ) -> None:
        """The one before it is retired in the same transaction; `how` and the rest are kept. FORCED
        leaves them with the version too. Raises DatabaseError for an unknown version."""
        with self.writing() as connection:
            current = _deployed_id(connection)
            if how == FORCED:
                forced = {"forced_at_ms": at_ms, "forced_by": who, "forced_why": why}
                _set(connection, version_id, **forced)
            if version_id != current:
                _deploy(connection, version_id, current, at_ms, how=how, who=who, why=why)

    def pin_model(self, version_id: str, is_pinned: bool) -> None:
        """Its files stay, whatever is cleared away. Raises DatabaseError for an unknown version."""
        with self.writing() as connection:
            _set(connection, version_id, is_pinned=int(is_pinned))

    def note_pruned(self, version_id: str, at_ms: int) -> None:
        """Its files go: it cannot answer again. Raises DatabaseError for an unknown version and for
        the deployed one."""
        with self.writing() as connection:
            if version_id == _deployed_id(connection):
                raise DatabaseError(f"{version_id} is deployed, so its files stay.")
            _set(connection, version_id, status="retired", status_at_ms=at_ms, pruned_at_ms=at_ms)

    def taint_model(self, version_id: str, because: str, at_ms: int, retrain_by_ms: int) -> None:
        """A version learned what is erased now. The first date stays; that a member was forgotten
        outweighs a deleted message. Raises DatabaseError for an unknown version."""
        with self.writing() as connection:
            version = _find(connection, version_id)
            if version.tainted_at_ms is not None:
                at_ms, retrain_by_ms = version.tainted_at_ms, version.retrain_by_ms or retrain_by_ms
            if version.tainted_because == FORGOTTEN_MEMBER:
                because = FORGOTTEN_MEMBER
            _set(
                connection,
                version_id,
                tainted_at_ms=at_ms,
                tainted_because=because,
                retrain_by_ms=retrain_by_ms,
            )

    def defer_model(self, version_id: str, who: str, why: str, at_ms: int | None) -> None:
        """Somebody takes it on them that a version answers although it learned what is erased;
        `at_ms` None takes that back. Raises DatabaseError for an unknown version, no name or no
        reason."""
        who, why = who.strip(), why.strip()
        if at_ms is not None and not (who and why):
            raise DatabaseError("Deferring needs a name and a reason, in your own words.")
        with self.writing() as connection:
            _set(connection, version_id, deferred_at_ms=at_ms, deferred_by=who, deferred_why=why)

    def deployments(self) -> list[ModelVersion]:
        """The versions that were deployed and may be again, the one before the present one first;
        the present one is not among them."""
        with self.reading() as connection:
            return [ModelVersion.from_row(row) for row in connection.execute(_LINE)]

    def previous_model(self) -> ModelVersion | None:
        """The version that was deployed before the present one, or None."""
        with self.reading() as connection:
            return _previous(connection)

    def roll_back_model(
        self, at_ms: int, *, how: str = ROLLED_BACK, who: str = "", why: str = ""
    ) -> ModelVersion:
        """Deploy the previous version again; the present one leaves the line of deployments.

        So a second rollback goes one further back instead of returning to what was just rejected.
        Raises DatabaseError where there is no previous one.
        """
        with self.writing() as connection:
            current, previous = _deployed_id(connection), _previous(connection)
            if current is None or previous is None:
                raise DatabaseError("There is no earlier deployed model to roll back to.")
            _set(connection, current, status="retired", status_at_ms=at_ms, deployed_at_ms=None)
            _set(connection, previous.version_id, status="deployed", status_at_ms=at_ms)
            add_deployment(
                connection, previous.version_id, current, at_ms, how=how, who=who, why=why
            )
        return ModelVersion(**{**vars(previous), "status": "deployed"})


def _deployed_id(connection: Connection) -> str | None:
    query = select(model_versions.c.version_id).where(model_versions.c.status == "deployed")
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def _previous(connection: Connection) -> ModelVersion | None:
    row = connection.execute(_LINE.limit(1)).one_or_none()
    return None if row is None else ModelVersion.from_row(row)


def _deploy(
    connection: Connection, version_id: str, current: str | None, at_ms: int, **how: str
) -> None:
    if current is not None:
        _set(connection, current, status="retired", status_at_ms=at_ms)
    status: dict[str, Any] = {"status": "deployed", "status_at_ms": at_ms, "deployed_at_ms": at_ms}
    _set(connection, version_id, **status, pruned_at_ms=None)  # its file is there again
    add_deployment(connection, version_id, current or "", at_ms, **how)


def _find(connection: Connection, version_id: str) -> ModelVersion:
    row = connection.execute(_SELECT.where(model_versions.c.version_id == version_id)).one_or_none()
    if row is None:
        raise DatabaseError(f"There is no model version named {version_id}.")
    return ModelVersion.from_row(row)


def _set(connection: Connection, version_id: str, **values: Any) -> None:
    statement = update(model_versions).where(model_versions.c.version_id == version_id)
    if connection.execute(statement.values(**values)).rowcount == 0:
        raise DatabaseError(f"There is no model version named {version_id}.")
