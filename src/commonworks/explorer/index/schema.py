"""The index's tables, in SQLAlchemy Core: SQLite now, any other database of its dialects later.

Rule: every row follows from the chain, the logs and settlements whose digest the chain finalised;
nothing local (clock, order of arrival, names in a folder) is in it. Invariant: the same chain and
logs give the same rows, whether they were followed live or read in one go.

Accounts and addresses are 20 bytes, hashes and identities 32 bytes, times Unix seconds (UTC).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from commonworks.explorer.index.columns import Amount, Signed

metadata: Final = MetaData()


def _hash(name: str, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary(32), **options)


def _account(name: str, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary(20), **options)


cursor: Final = Table(
    "cursor",
    metadata,
    # What was read: `block` (last block folded), `settled` (epochs folded), `stops` (see rows.py),
    # `log:<hex log id>` (entries folded). Moves in the same transaction as the rows it covers.
    Column("name", String(80), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

chain_event: Final = Table(
    "chain_event",
    metadata,
    # Everything that the contracts said, in order: the network's diary.
    Column("block", BigInteger, primary_key=True),
    Column("log_index", Integer, primary_key=True),
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
    Column("kind", String(40), nullable=False),  # event class in snake case: `enrolled`, `claimed`
    Column("epoch", BigInteger),
    Column("device", BigInteger),
    _hash("log_id"),
    _account("account"),  # whom it is about
    _account("other"),  # a second one: the receiver of a transfer, the enroller
    _account("asset"),
    Column("amount", Amount),
    Column("detail", Text, nullable=False),  # the whole event as JSON, keys sorted
    Index("ix_chain_event_tx", "tx"),
    Index("ix_chain_event_account", "account", "block", "log_index"),
    Index("ix_chain_event_other", "other", "block", "log_index"),
    Index("ix_chain_event_device", "device", "block", "log_index"),
    Index("ix_chain_event_kind", "kind", "block", "log_index"),
    Index("ix_chain_event_epoch", "epoch", "block", "log_index"),
)

device: Final = Table(
    "device",
    metadata,
    Column("device", BigInteger, primary_key=True),
    _account("owner", nullable=False),
    _hash("thumbprint", nullable=False),
    Column("algorithm", Integer, nullable=False),
    Column("public_key", LargeBinary(64), nullable=False),
    Column("resource", String(31), nullable=False),
    Column("cell", String(15)),  # H3 index in hexadecimal; none or no valid cell: NULL
    _account("enroller", nullable=False),
    Column("enrolled_at", BigInteger, nullable=False),
    _hash("enrolled_tx", nullable=False),
    Column("reference", Boolean, nullable=False),  # admitted as independent reference
    Column("statements", Integer, nullable=False),  # judged for it so far
    Column("rejected", Integer, nullable=False),  # of these, rejected
    Column("last_judged_epoch", BigInteger),  # newest epoch that judged a statement of it
    Index("ix_device_owner", "owner", "device"),
    Index("ix_device_resource", "resource", "device"),
    Index("ix_device_thumbprint", "thumbprint"),
    Index("ix_device_cell", "cell", "resource"),
    # Few rows of many: only these are in the index.
    Index(
        "ix_device_rejected",
        "device",
        sqlite_where=text("rejected > 0"),
        postgresql_where=text("rejected > 0"),
    ),
    Index(
        "ix_device_reference",
        "device",
        sqlite_where=text("reference"),
        postgresql_where=text("reference"),
    ),
)

payee: Final = Table(
    "payee",
    metadata,
    # Who is paid for a device; no row: its owner gets everything.
    Column("device", BigInteger, primary_key=True),
    _account("account", primary_key=True),
    Column("ppm", Integer, nullable=False),
    Index("ix_payee_account", "account", "device"),
)

statement: Final = Table(
    "statement",
    metadata,
    # Every logged entry, from the moment it is logged. What it is for its reader: `kind` and `kid`
    # where it can be decoded; `device` by its key until it is judged, then the verdict's. A signed
    # statement's rejection that names no device (`too_late`) counts for its key's.
    _hash("log_id", primary_key=True),
    Column("position", BigInteger, primary_key=True),
    _hash("identity", nullable=False),
    _hash("leaf", nullable=False),  # its hash in the log's tree (RFC 6962): what a proof proves
    Column("kind", String(16)),
    _hash("kid"),
    Column("device", BigInteger),
    Column("resource", String(31)),
    Column("said_at", BigInteger),  # time in a public payload; NULL when sealed or undecodable
    Column("sealed", Boolean, nullable=False),
    Column("bytes", Integer, nullable=False),  # length of the statement as logged
    Column("epoch", BigInteger),  # epoch that judged it; NULL while it waits
    Column("outcome", String(8)),  # accepted, rejected; NULL while it waits
    Column("reason", String(64)),  # code of a rejection; NULL otherwise
    Index("ix_statement_identity", "identity"),
    Index("ix_statement_device", "device", "epoch", "log_id", "position"),
    Index("ix_statement_epoch", "epoch", "outcome", "log_id", "position"),
    Index("ix_statement_reason", "reason", "epoch", "log_id", "position"),
    Index("ix_statement_resource", "resource", "epoch", "outcome", "log_id", "position"),
    Index(
        "ix_statement_rejected",
        "epoch",
        "log_id",
        "position",
        sqlite_where=text("outcome = 'rejected'"),
        postgresql_where=text("outcome = 'rejected'"),
    ),
    # Reports are most of all statements: the other kinds are found without them.
    Index(
        "ix_statement_kind",
        "kind",
        "epoch",
        "outcome",
        "log_id",
        "position",
        sqlite_where=text("kind <> 'report'"),
        postgresql_where=text("kind <> 'report'"),
    ),
)

verdict: Final = Table(
    "verdict",
    metadata,
    # What settlements said of identities, whether their entries can be read here or not. A
    # statement's columns come from here: entries and settlements may be read in any order.
    _hash("identity", primary_key=True),  # or the leaf hash of bytes that are no statement
    Column("epoch", BigInteger, primary_key=True),
    Column("device", BigInteger),
    Column("outcome", String(8), nullable=False),
    Column("reason", String(64)),
)

span: Final = Table(
    "span",
    metadata,
    # Less credited than claimed, over a span of event time.
    Column("epoch", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),  # place in the settlement, from 0
    Column("resource", String(31), nullable=False),
    Column("device", BigInteger, nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("length_s", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("claimed", BigInteger, nullable=False),
    Column("credited", BigInteger, nullable=False),
    Index("ix_span_device", "device", "epoch", "number"),
    Index("ix_span_reason", "epoch", "reason"),
)

epoch: Final = Table(
    "epoch",
    metadata,
    # From its close on; from `finalised_at` on with finality, from `statements` on once settled.
    Column("epoch", BigInteger, primary_key=True),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("closed_at", BigInteger, nullable=False),
    Column("closed_block", BigInteger, nullable=False),
    _hash("closed_tx", nullable=False),
    _hash("evidence_hash", nullable=False),
    Column("finalised_at", BigInteger),
    _hash("finalised_tx"),
    _hash("digest"),
    _hash("previous_digest"),
    _hash("facts_hash"),
    _hash("policy_hash"),
    _hash("rules_hash"),
    _hash("result_hash"),
    _hash("state_hash"),
    _hash("payout_root"),
    Column("minted_total_wei", Amount),  # cumulative, as committed
    Column("totals", Text),  # JSON: [{asset, earned, spent}], cumulative, as committed
    Column("statements", Integer),
    Column("accepted", Integer),
    Column("rejected", Integer),
    Column("minted_wei", Amount),
    Column("unminted_wei", Amount),
    Column("paid_micro", Amount),
    Column("leaves", Integer),  # leaves of the payout tree
    *(Index(f"ix_epoch_{one}", one) for one in ("digest", "evidence_hash", "payout_root")),
)

evidence_range: Final = Table(
    "evidence_range",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    _hash("log_id", primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),  # entries first..size-1
    _hash("root", nullable=False),
)

confirmation: Final = Table(
    "confirmation",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    _account("verifier", primary_key=True),
    Column("tips", Text, nullable=False),  # JSON: [{log_id, size, root}]
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
)

attestation: Final = Table(
    "attestation",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    _account("verifier", primary_key=True),
    _hash("digest", nullable=False),
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
)

payout_root: Final = Table(
    "payout_root",
    metadata,
    # Payout roots as the Vault keeps them: one in force, one waits, one more behind it.
    Column("epoch", BigInteger, primary_key=True),
    _hash("root", nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    _hash("accepted_tx", nullable=False),
    Column("claimable_at", BigInteger, nullable=False),  # its own hold, or the halt's end
    Column("in_force_at", BigInteger, nullable=False),  # not before the one ahead of it
    Column("stopped_at", BigInteger),  # when a halt held it up last
    Column("replaced_by", BigInteger),  # epoch of the root that took its place while it waited
)

work: Final = Table(
    "work",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    Column("resource", String(31), primary_key=True),
    Column("device", BigInteger, primary_key=True),
    _account("account", nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("quality_ppm", Integer, nullable=False),
    Column("density_ppm", Integer, nullable=False),
    Index("ix_work_device", "device", "epoch"),
)

payment: Final = Table(
    "payment",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),  # place in the settlement, from 0
    Column("resource", String(31), nullable=False),
    _account("payer", nullable=False),
    _account("payee", nullable=False),
    Column("amount", Amount, nullable=False),  # micro-units of the currency
    Column("purpose", String(64), nullable=False),
    Column("device", BigInteger, nullable=False),  # 0: for no device
    Index("ix_payment_payer", "payer", "epoch"),
    Index("ix_payment_payee", "payee", "epoch"),
    Index("ix_payment_device", "device", "epoch"),
)

reward: Final = Table(
    "reward",
    metadata,
    Column("epoch", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("resource", String(31), nullable=False),  # or verifiers, gateways, treasury
    _account("account", nullable=False),
    Column("amount_wei", Amount, nullable=False),
    Index("ix_reward_account", "account", "epoch"),
)

payout: Final = Table(
    "payout",
    metadata,
    # Leaves of the payout tree, cumulative, where an epoch changed them: an account's leaf in
    # epoch n is its row with the largest epoch <= n. Never removed: totals never fall.
    _account("asset", primary_key=True),
    _account("account", primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("earned", Amount, nullable=False),
    Column("spent", Amount, nullable=False),
    Index("ix_payout_epoch", "epoch", "asset", "account"),
    Index("ix_payout_account", "account", "epoch"),
    Index("ix_payout_earned", "asset", "earned", "account"),
)

tally: Final = Table(
    "tally",
    metadata,
    # What the rows of a settled epoch come to; see tallies.py.
    Column("epoch", BigInteger, primary_key=True),
    Column("what", String(8), primary_key=True),  # work, payment, reward, span
    Column("resource", String(31), primary_key=True),
    Column("name", String(64), primary_key=True),  # purpose or reason; else empty
    Column("rows", Integer, nullable=False),
    Column("parties", Integer),  # different devices or accounts among them
    Column("total", Signed),
)

summary: Final = Table(
    "summary",
    metadata,
    # A resource's named totals of an epoch.
    Column("epoch", BigInteger, primary_key=True),
    Column("resource", String(31), primary_key=True),
    Column("key", String(80), primary_key=True),
    Column("value", Signed, nullable=False),
)

view: Final = Table(
    "view",
    metadata,
    # A resource's tables of an epoch that everybody may see, whole.
    Column("epoch", BigInteger, primary_key=True),
    Column("resource", String(31), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("columns", Text, nullable=False),  # JSON: list of headings
    Column("rows", Text, nullable=False),  # JSON: list of lists
)

view_row: Final = Table(
    "view_row",
    metadata,
    # Rows of tables that only those concerned may see, once for each account concerned.
    Column("epoch", BigInteger, primary_key=True),
    Column("resource", String(31), primary_key=True),
    Column("name", String(40), primary_key=True),
    _account("account", primary_key=True),
    Column("number", Integer, primary_key=True),  # place in the table, from 0
    Column("columns", Text, nullable=False),
    Column("row", Text, nullable=False),
    Index("ix_view_row_account", "account", "resource", "epoch"),
)

movement: Final = Table(
    "movement",
    metadata,
    # Money in and out of the Vault: deposit, withdrawal_requested, withdrawn, claim, exit.
    # `withdrawn` stands in the settlement: its block and log_index are the finalisation's.
    Column("block", BigInteger, primary_key=True),
    Column("log_index", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),  # 0; for `withdrawn` its place in the settlement
    Column("kind", String(24), nullable=False),
    _account("account", nullable=False),
    _account("asset", nullable=False),
    Column("amount", Amount, nullable=False),
    Column("epoch", BigInteger),
    Column("request", BigInteger),
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
    Index("ix_movement_account", "account", "block", "log_index", "number"),
)

spend_limit: Final = Table(
    "spend_limit",
    metadata,
    _account("account", primary_key=True),
    Column("device", BigInteger, primary_key=True),
    Column("limit", Amount, nullable=False),  # micro-units an epoch
)

gateway: Final = Table(
    "gateway",
    metadata,
    _hash("log_id", primary_key=True),
    _account("operator", nullable=False),
    Column("name", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    _hash("note_key", nullable=False),
    Column("receipt_key", LargeBinary(64), nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    _hash("registered_tx", nullable=False),
)

verifier: Final = Table(
    "verifier",
    metadata,
    _account("operator", primary_key=True),
    Column("name", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    _hash("registered_tx", nullable=False),
)

bond: Final = Table(
    "bond",
    metadata,
    _account("operator", primary_key=True),
    Column("bonded", Amount, nullable=False),  # smallest unit of what is bonded
    Column("unbonding", Amount, nullable=False),  # asked to leave; stays until taken out
    Column("ready_at", BigInteger),  # when the newest part of it may be taken out
    Column("stake", Amount, nullable=False),  # a verifier's part in the quorum
)

anchor: Final = Table(
    "anchor",
    metadata,
    _hash("log_id", primary_key=True),
    Column("size", BigInteger, primary_key=True),
    _hash("root", nullable=False),
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
)

parameter_change: Final = Table(
    "parameter_change",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),  # 0: its definition
    Column("value", Signed, nullable=False),
    Column("minimum", Signed, nullable=False),
    Column("maximum", Signed, nullable=False),
    Column("from_epoch", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
)

proposal: Final = Table(
    "proposal",
    metadata,
    Column("proposal", String(78), primary_key=True),  # its id in decimal digits
    Column("number", Integer, nullable=False, unique=True),  # place among all, from 1
    _account("proposer", nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("calls", Text, nullable=False),  # JSON: [{to, value, data, does}]; does: in words
    Column("changes", Text, nullable=False),  # JSON: {parameter: value} that it would set
    Column("vote_start", BigInteger, nullable=False),
    Column("vote_end", BigInteger, nullable=False),
    _hash("tx", nullable=False),
    _hash("queued_tx"),
    _hash("executed_tx"),
    _hash("canceled_tx"),
)

vote: Final = Table(
    "vote",
    metadata,
    Column("proposal", String(78), primary_key=True),
    Column("number", Integer, primary_key=True),  # in the order in which they were cast, from 0
    _account("voter", nullable=False),
    Column("support", String(8)),  # for, against, abstain; NULL: unknown to this release
    Column("weight", Amount, nullable=False),
    Column("reason", Text, nullable=False),
    _hash("tx", nullable=False),
    Index("ix_vote_voter", "voter"),
)

site: Final = Table(
    "site",
    metadata,
    # Site tables in force.
    Column("resource", String(31), primary_key=True),
    _hash("site", nullable=False),
    _hash("statement", nullable=False),
    Column("time", BigInteger, nullable=False),
    _hash("tx", nullable=False),
)
