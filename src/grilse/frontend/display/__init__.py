"""Displays: each a view over the one stream of events.

They know the events and a place to write to; nothing of processes, keys or signals.
"""
