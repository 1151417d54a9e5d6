"""From YAML files to loaded elements and their cache keys.

Must not know schedulers, processes or terminals.
"""
