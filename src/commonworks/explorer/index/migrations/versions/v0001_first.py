"""The first schema.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 - one statement a table, and for each index
    """Make every table."""
    op.create_table(
        "anchor",
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size"),
    )
    op.create_table(
        "attestation",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("verifier", sa.LargeBinary(length=20), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "verifier"),
    )
    op.create_table(
        "bond",
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("bonded", sa.String(78), nullable=False),
        sa.Column("unbonding", sa.String(78), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("stake", sa.String(78), nullable=False),
        sa.PrimaryKeyConstraint("operator"),
    )
    op.create_table(
        "chain_event",
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.BigInteger(), nullable=True),
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=True),
        sa.Column("account", sa.LargeBinary(length=20), nullable=True),
        sa.Column("other", sa.LargeBinary(length=20), nullable=True),
        sa.Column("asset", sa.LargeBinary(length=20), nullable=True),
        sa.Column("amount", sa.String(78), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("block", "log_index"),
    )
    op.create_index(
        "ix_chain_event_account", "chain_event", ["account", "block", "log_index"], unique=False
    )
    op.create_index(
        "ix_chain_event_device", "chain_event", ["device", "block", "log_index"], unique=False
    )
    op.create_index(
        "ix_chain_event_epoch", "chain_event", ["epoch", "block", "log_index"], unique=False
    )
    op.create_index(
        "ix_chain_event_kind", "chain_event", ["kind", "block", "log_index"], unique=False
    )
    op.create_index(
        "ix_chain_event_other", "chain_event", ["other", "block", "log_index"], unique=False
    )
    op.create_index("ix_chain_event_tx", "chain_event", ["tx"], unique=False)
    op.create_table(
        "confirmation",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("verifier", sa.LargeBinary(length=20), nullable=False),
        sa.Column("tips", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "verifier"),
    )
    op.create_table(
        "cursor",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "device",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.LargeBinary(length=20), nullable=False),
        sa.Column("thumbprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("algorithm", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=64), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("cell", sa.String(length=15), nullable=True),
        sa.Column("enroller", sa.LargeBinary(length=20), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_tx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reference", sa.Boolean(), nullable=False),
        sa.Column("statements", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("last_judged_epoch", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_index("ix_device_cell", "device", ["cell", "resource"], unique=False)
    op.create_index("ix_device_owner", "device", ["owner", "device"], unique=False)
    op.create_index("ix_device_resource", "device", ["resource", "device"], unique=False)
    op.create_index("ix_device_thumbprint", "device", ["thumbprint"], unique=False)
    op.create_table(
        "epoch",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_block", sa.BigInteger(), nullable=False),
        sa.Column("closed_tx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("evidence_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("finalised_at", sa.BigInteger(), nullable=True),
        sa.Column("finalised_tx", sa.LargeBinary(length=32), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("previous_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("facts_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("policy_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("rules_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("result_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("state_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("payout_root", sa.LargeBinary(length=32), nullable=True),
        sa.Column("minted_total_wei", sa.String(78), nullable=True),
        sa.Column("totals", sa.Text(), nullable=True),
        sa.Column("statements", sa.Integer(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=True),
        sa.Column("rejected", sa.Integer(), nullable=True),
        sa.Column("minted_wei", sa.String(78), nullable=True),
        sa.Column("unminted_wei", sa.String(78), nullable=True),
        sa.Column("paid_micro", sa.String(78), nullable=True),
        sa.PrimaryKeyConstraint("epoch"),
    )
    op.create_table(
        "evidence_range",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "log_id"),
    )
    op.create_table(
        "gateway",
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("note_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("receipt_key", sa.LargeBinary(length=64), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("registered_tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("log_id"),
    )
    op.create_table(
        "movement",
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("asset", sa.LargeBinary(length=20), nullable=False),
        sa.Column("amount", sa.String(78), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("request", sa.BigInteger(), nullable=True),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("block", "log_index", "number"),
    )
    op.create_index(
        "ix_movement_account", "movement", ["account", "block", "log_index", "number"], unique=False
    )
    op.create_table(
        "parameter_change",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("minimum", sa.Text(), nullable=False),
        sa.Column("maximum", sa.Text(), nullable=False),
        sa.Column("from_epoch", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("key", "number"),
    )
    op.create_table(
        "payee",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device", "account"),
    )
    op.create_index("ix_payee_account", "payee", ["account", "device"], unique=False)
    op.create_table(
        "payment",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("payer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("payee", sa.LargeBinary(length=20), nullable=False),
        sa.Column("amount", sa.String(78), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "number"),
    )
    op.create_index("ix_payment_device", "payment", ["device", "epoch"], unique=False)
    op.create_index("ix_payment_payee", "payment", ["payee", "epoch"], unique=False)
    op.create_index("ix_payment_payer", "payment", ["payer", "epoch"], unique=False)
    op.create_table(
        "payout",
        sa.Column("asset", sa.LargeBinary(length=20), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.String(78), nullable=False),
        sa.Column("spent", sa.String(78), nullable=False),
        sa.PrimaryKeyConstraint("asset", "account", "epoch"),
    )
    op.create_index("ix_payout_account", "payout", ["account", "epoch"], unique=False)
    op.create_index("ix_payout_earned", "payout", ["asset", "earned", "account"], unique=False)
    op.create_index("ix_payout_epoch", "payout", ["epoch", "asset", "account"], unique=False)
    op.create_table(
        "proposal",
        sa.Column("proposal", sa.String(length=78), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("proposer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("calls", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("vote_start", sa.BigInteger(), nullable=False),
        sa.Column("vote_end", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("queued_tx", sa.LargeBinary(length=32), nullable=True),
        sa.Column("executed_tx", sa.LargeBinary(length=32), nullable=True),
        sa.Column("canceled_tx", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("proposal"),
        sa.UniqueConstraint("number"),
    )
    op.create_table(
        "reward",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("amount_wei", sa.String(78), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "number"),
    )
    op.create_index("ix_reward_account", "reward", ["account", "epoch"], unique=False)
    op.create_table(
        "site",
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("site", sa.LargeBinary(length=32), nullable=False),
        sa.Column("statement", sa.LargeBinary(length=32), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("resource"),
    )
    op.create_table(
        "span",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("length_s", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("claimed", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "number"),
    )
    op.create_index("ix_span_device", "span", ["device", "epoch", "number"], unique=False)
    op.create_index("ix_span_reason", "span", ["epoch", "reason"], unique=False)
    op.create_table(
        "spend_limit",
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("limit", sa.String(78), nullable=False),
        sa.PrimaryKeyConstraint("account", "device"),
    )
    op.create_table(
        "statement",
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.LargeBinary(length=32), nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("kid", sa.LargeBinary(length=32), nullable=True),
        sa.Column("device", sa.BigInteger(), nullable=True),
        sa.Column("resource", sa.String(length=31), nullable=True),
        sa.Column("said_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "position"),
    )
    op.create_index(
        "ix_statement_device", "statement", ["device", "epoch", "log_id", "position"], unique=False
    )
    op.create_index(
        "ix_statement_epoch", "statement", ["epoch", "outcome", "log_id", "position"], unique=False
    )
    op.create_index("ix_statement_identity", "statement", ["identity"], unique=False)
    op.create_index(
        "ix_statement_reason", "statement", ["reason", "epoch", "log_id", "position"], unique=False
    )
    op.create_table(
        "summary",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "resource", "key"),
    )
    op.create_table(
        "verdict",
        sa.Column("identity", sa.LargeBinary(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("identity", "epoch"),
    )
    op.create_table(
        "verifier",
        sa.Column("operator", sa.LargeBinary(length=20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("registered_tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("operator"),
    )
    op.create_table(
        "view",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("rows", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "resource", "name"),
    )
    op.create_table(
        "view_row",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "resource", "name", "account", "number"),
    )
    op.create_index(
        "ix_view_row_account", "view_row", ["account", "resource", "epoch"], unique=False
    )
    op.create_table(
        "vote",
        sa.Column("proposal", sa.String(length=78), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("voter", sa.LargeBinary(length=20), nullable=False),
        sa.Column("support", sa.String(length=8), nullable=True),
        sa.Column("weight", sa.String(78), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("proposal", "number"),
    )
    op.create_index("ix_vote_voter", "vote", ["voter"], unique=False)
    op.create_table(
        "work",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.String(length=31), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("quality_ppm", sa.Integer(), nullable=False),
        sa.Column("density_ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "resource", "device"),
    )
    op.create_index("ix_work_device", "work", ["device", "epoch"], unique=False)
