"""A network without sockets, files or an EVM: virtual time, and a model of the contracts."""
