"""Indexes for the filters of device and statement lists.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PARTIAL = (
    ("ix_device_rejected", "device", ("device",), "rejected > 0"),
    ("ix_device_reference", "device", ("device",), "reference"),
    (
        "ix_statement_rejected",
        "statement",
        ("epoch", "log_id", "position"),
        "outcome = 'rejected'",
    ),
    (
        "ix_statement_kind",
        "statement",
        ("kind", "epoch", "outcome", "log_id", "position"),
        "kind <> 'report'",
    ),
)


def upgrade() -> None:
    """Make the indexes."""
    op.create_index(
        "ix_statement_resource",
        "statement",
        ["resource", "epoch", "outcome", "log_id", "position"],
    )
    for name, table, columns, where in _PARTIAL:
        op.create_index(
            name,
            table,
            list(columns),
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    """Remove them."""
    for name, table, _, _ in _PARTIAL:
        op.drop_index(name, table)
    op.drop_index("ix_statement_resource", "statement")
