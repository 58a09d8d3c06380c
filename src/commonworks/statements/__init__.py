"""What is signed: encode, decode, validate, seal. Pure: the only thing that enters a log."""
