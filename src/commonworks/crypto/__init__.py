"""Keys, COSE, CBOR and hashes: bytes in, bytes out; no I/O."""
