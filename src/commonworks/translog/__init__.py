"""One transparency log as bytes: tree, tiles, checkpoints, proofs, receipts; no storage.

Goal: a log that anybody can check with tools that we did not write.
Rule: the formats are RFC 6962 (tree), C2SP tlog-tiles, tlog-checkpoint and signed-note (files) and
RFC 9942 (receipts); docs/spec/log.md and docs/spec/receipt.md say what we add.
Invariant: whatever is read is believed only after it hashes up to a root that somebody signed.
"""
