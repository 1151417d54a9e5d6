"""Campaigns of faults: many runs of the real program, each of them cut short somewhere, and a look at what is left.

    python -m tests.faults.cancel --runs 200     sessions are interrupted at random instants
    python -m tests.faults.kill --runs 200       one process of a session is killed at a random instant
    python -m tests.faults.store --runs 50       commands that write what is the user's are killed, or the disk is full

``test_campaigns.py`` runs a few of each.
"""
