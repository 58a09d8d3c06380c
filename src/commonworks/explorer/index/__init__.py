"""The index: tables, migrations, the fold that fills them, and following a network live."""
