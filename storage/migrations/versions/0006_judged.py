"""What a model version was judged by, what it has to reach before it is deployed, who let it answer
all the same, and every deployment with what became of it. Of those from before only each version's
last one is known."""

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
    """
    CREATE TABLE deployments (
        deployment_id INTEGER NOT NULL PRIMARY KEY,
        version_id TEXT NOT NULL, before TEXT NOT NULL DEFAULT '',
        at_ms INTEGER NOT NULL, how TEXT NOT NULL,
        who TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '',
        starts INTEGER NOT NULL DEFAULT 0, settled_at_ms INTEGER
    )
    """,
    """
    INSERT INTO deployments (version_id, at_ms, how, settled_at_ms)
    SELECT version_id, deployed_at_ms, 'deployed', deployed_at_ms FROM model_versions
    WHERE deployed_at_ms IS NOT NULL ORDER BY deployed_at_ms
    """,
    "ALTER TABLE model_versions ADD COLUMN deploy_at FLOAT",
    "ALTER TABLE model_versions ADD COLUMN audit_needed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE model_versions ADD COLUMN forced_at_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN forced_by TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE model_versions ADD COLUMN forced_why TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE model_versions ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE model_versions ADD COLUMN pruned_at_ms INTEGER",
    "CREATE INDEX evaluations_of ON evaluations (version_id, kind, at_ms)",
)


def upgrade() -> None:
    """Make the tables and the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
