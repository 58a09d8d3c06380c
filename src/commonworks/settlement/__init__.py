"""Evidence, facts and state in; verdicts, money and a digest out. Pure: no I/O, no clock."""
