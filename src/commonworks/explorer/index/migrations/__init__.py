"""Versions of the index's schema, run by `engine.open_index`; users need no Alembic."""
