"""Alerts: telling owners by e-mail or webhook what they would want to know, once each.

`rules` decides what is due (pure), `store` keeps subscriptions and what was told, `texts` says it
in the subscriber's language, `delivery` sends it, `desk` is what pages and commands ask, `worker`
does the rounds. Nothing here is derived from the chain, so none of it is part of the index.
"""
