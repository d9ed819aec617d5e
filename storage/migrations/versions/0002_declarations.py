"""Recorded declarations, and the line of deployments of models.

A version that was deployed before this revision is taken as deployed when it was made.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE declarations (
        declaration_id INTEGER NOT NULL PRIMARY KEY,
        declared_at_ms INTEGER NOT NULL, who TEXT NOT NULL, ground TEXT NOT NULL
    )
    """,
    "ALTER TABLE model_versions ADD COLUMN deployed_at_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN status_at_ms INTEGER",
    """
    UPDATE model_versions SET deployed_at_ms = created_at_ms, status_at_ms = created_at_ms
    WHERE status = 'deployed'
    """,
    """
    CREATE UNIQUE INDEX one_deployed_model ON model_versions (status) WHERE status = 'deployed'
    """,
)


def upgrade() -> None:
    """Make the table, the columns and the index."""
    for statement in STATEMENTS:
        op.execute(statement)
