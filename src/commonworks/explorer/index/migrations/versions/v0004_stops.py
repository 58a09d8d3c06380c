"""What stops money: payout roots as the Vault keeps them, and the events that say so.

What is folded already is kept: settlements of long ago may be settled from evidence that is erased
by now. The follower reads the same blocks again for these events alone, as the new cursor says.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KINDS = (
    "halt_voted", "halted", "root_accepted", "root_delayed", "exit_entered", "exited",
    "guardian_appointed", "guardian_halted",
)  # fmt: skip


def upgrade() -> None:
    """Make the table; where blocks were folded, let them be read again."""
    op.create_table(
        "payout_root",
        sa.Column("epoch", sa.BigInteger, primary_key=True),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("accepted_tx", sa.LargeBinary(32), nullable=False),
        sa.Column("claimable_at", sa.BigInteger, nullable=False),
        sa.Column("in_force_at", sa.BigInteger, nullable=False),
        sa.Column("stopped_at", sa.BigInteger),
        sa.Column("replaced_by", sa.BigInteger),
    )
    op.execute(
        "INSERT INTO cursor (name, value) SELECT 'stops', -1 FROM cursor WHERE name = 'block'"
    )


def downgrade() -> None:
    """Remove the table and what only this release folds."""
    op.drop_table("payout_root")
    kinds = ", ".join(f"'{kind}'" for kind in _KINDS)
    op.execute(f"DELETE FROM chain_event WHERE kind IN ({kinds})")  # noqa: S608 - our own words
    op.execute("DELETE FROM movement WHERE kind = 'exit'")
    op.execute("DELETE FROM cursor WHERE name = 'stops'")
