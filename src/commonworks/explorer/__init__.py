"""The explorer: what a network is and did, for people and programs, over a derived index.

The index is a fold over chain events, logged statements and settlements that the chain vouches
for; deleting it and rebuilding gives the same rows. Nothing is paid by what stands in it.
"""
