"""Proof files, checked: is this statement in an anchored log, is this payout what was finalised?

Pure. A proof file vouches for nothing; everything in it is recomputed, step by step, and what a
chain answered comes in as a value. Format, steps and verdicts: docs/spec/proof.md.
"""

from commonworks.proofs.check import check_payout, check_proof, check_statement
from commonworks.proofs.form import FILE_BYTES_MAX, Fault, read_proof
from commonworks.proofs.model import ChainAnswers, PayoutProof, Proof, StatementProof
from commonworks.proofs.steps import Checked, Status, Step, StepName, Verdict, Why

__all__ = [
    "FILE_BYTES_MAX",
    "ChainAnswers",
    "Checked",
    "Fault",
    "PayoutProof",
    "Proof",
    "StatementProof",
    "Status",
    "Step",
    "StepName",
    "Verdict",
    "Why",
    "check_payout",
    "check_proof",
    "check_statement",
    "read_proof",
]
