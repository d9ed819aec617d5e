"""${message}.

Revision: ${up_revision}, after ${down_revision | comma,n}. Made: ${create_date}.
"""

from __future__ import annotations

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Runs inside one transaction with all other pending migrations."""
    ${upgrades if upgrades else 'op.execute("")'}
