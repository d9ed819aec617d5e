"""Every deployment, and how the bot fares with the newest one while it is on trial.

A version that takes the bot's process down at each start would keep it down. So the newest
deployment is on trial until the bot has run with it for a while (bot/trial.py); the starts that did
not end well are counted meanwhile, here, where a process that dies leaves them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, select, update

from storage.connections import Connections
from storage.records import DEPLOYED, FORCED, Deployment
from storage.schema import deployments

_SELECT = select(*(deployments.c[field.name] for field in fields(Deployment)))


class DeploymentStore(Connections):
    """The table deployments; model_store.py adds the rows. Any thread."""

    def deployment_history(self) -> list[Deployment]:
        """All of them, oldest first."""
        query = _SELECT.order_by(deployments.c.deployment_id)
        with self.reading() as connection:
            return [Deployment(*row) for row in connection.execute(query)]

    def last_deployment(self) -> Deployment | None:
        """The one by which the present version answers; None where none ever was deployed."""
        query = _SELECT.order_by(deployments.c.deployment_id.desc()).limit(1)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Deployment(*row)

    def count_start(self, deployment_id: int, change: int) -> None:
        """The bot starts with it (1), or ended well (-1)."""
        with self.writing() as connection:
            _set(connection, deployment_id, starts=deployments.c.starts + change)

    def settle(self, deployment_id: int, at_ms: int) -> None:
        """It is on trial no more."""
        with self.writing() as connection:
            _set(connection, deployment_id, settled_at_ms=at_ms)


def add_deployment(
    connection: Connection,
    version_id: str,
    before: str,
    at_ms: int,
    *,
    how: str,
    who: str = "",
    why: str = "",
) -> None:
    """Note a deployment, in the transaction that makes it. On trial is what can be returned from,
    and was not itself a way back."""
    is_on_trial = how in (DEPLOYED, FORCED) and bool(before)
    connection.execute(
        deployments.insert().values(
            version_id=version_id,
            before=before,
            at_ms=at_ms,
            how=how,
            who=who,
            why=why,
            settled_at_ms=None if is_on_trial else at_ms,
        )
    )


def _set(connection: Connection, deployment_id: int, **values: Any) -> None:
    statement = update(deployments).where(deployments.c.deployment_id == deployment_id)
    connection.execute(statement.values(**values))
