"""Messages that cross process boundaries, the channels that carry them, and the errors they name.

Imports nothing of grilse: every other room may import this one.
"""
