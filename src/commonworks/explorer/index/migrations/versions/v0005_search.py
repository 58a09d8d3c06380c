"""Epochs are found by the beginning of their digest, evidence hash or payout root.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = ("digest", "evidence_hash", "payout_root")


def upgrade() -> None:
    """Make an index over each."""
    for column in _COLUMNS:
        op.create_index(f"ix_epoch_{column}", "epoch", [column])


def downgrade() -> None:
    """Remove them."""
    for column in _COLUMNS:
        op.drop_index(f"ix_epoch_{column}", "epoch")
