"""What settled epochs come to, counted once.

Revision ID: 0003
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SOURCES: tuple[tuple[str, str | None, str | None, str | None], ...] = (
    ("work", None, "device", "quantity"),
    ("payment", "purpose", None, "amount"),
    ("reward", None, "account", "amount_wei"),
    ("span", "reason", "device", None),
)
"""Table, column that rows are told apart by, column that is counted, column that is added up."""


def upgrade() -> None:
    """Make the columns and the table, and count what is settled already."""
    op.add_column("epoch", sa.Column("leaves", sa.Integer))
    made = op.create_table(
        "tally",
        sa.Column("epoch", sa.BigInteger, primary_key=True),
        sa.Column("what", sa.String(8), primary_key=True),
        sa.Column("resource", sa.String(31), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("parties", sa.Integer),
        sa.Column("total", sa.Text),
    )
    connection = op.get_bind()
    settled = connection.execute(
        sa.text("SELECT epoch FROM epoch WHERE statements IS NOT NULL ORDER BY epoch")
    ).scalars()
    for epoch in settled.all():
        for what, name, party, total in _SOURCES:
            rows = list(_tallied(connection, epoch, what, name, party, total))
            if rows:
                op.bulk_insert(made, rows)
        connection.execute(
            sa.text(
                "UPDATE epoch SET leaves = (SELECT count(*) FROM "
                "(SELECT DISTINCT asset, account FROM payout WHERE epoch <= :epoch) AS found) "
                "WHERE epoch = :epoch"
            ),
            {"epoch": epoch},
        )


def _tallied(
    connection: sa.Connection,
    epoch: int,
    what: str,
    name: str | None,
    party: str | None,
    total: str | None,
) -> Iterator[dict[str, Any]]:
    """Yield an epoch's tallies; amounts go beyond what a database adds up."""
    columns = [name or "''", party or "NULL", total or "NULL"]
    rows = connection.execute(
        sa.text(f"SELECT resource, {', '.join(columns)} FROM {what} WHERE epoch = :epoch"),  # noqa: S608
        {"epoch": epoch},
    )
    groups: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for resource, key, counted, added in rows:
        groups.setdefault((resource, key), []).append((counted, added))
    for (resource, key), found in sorted(groups.items()):
        yield {
            "epoch": epoch,
            "what": what,
            "resource": resource,
            "name": key,
            "rows": len(found),
            "parties": None if party is None else len({counted for counted, _ in found}),
            "total": None if total is None else str(sum(int(added) for _, added in found)),
        }


def downgrade() -> None:
    """Remove them."""
    op.drop_table("tally")
    op.drop_column("epoch", "leaves")
