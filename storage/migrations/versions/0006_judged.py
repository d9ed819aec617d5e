"""What a model version was judged by, what it has to reach before it is deployed, and who let it
answer all the same."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE evaluations (
        evaluation_id INTEGER NOT NULL PRIMARY KEY,
        version_id TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,
        score FLOAT, needed FLOAT, passed INTEGER NOT NULL,
        figures TEXT NOT NULL DEFAULT '{}', report TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX evaluations_of ON evaluations (version_id, kind, at_ms)",
    "ALTER TABLE model_versions ADD COLUMN deploy_at FLOAT",
    "ALTER TABLE model_versions ADD COLUMN audit_needed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE model_versions ADD COLUMN forced_at_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN forced_by TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE model_versions ADD COLUMN forced_why TEXT NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    """Make the table and the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
