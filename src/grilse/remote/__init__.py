"""REAPI clients: CAS, Remote Asset, Action Cache, Execution.

Imported only in processes that talk to a remote.
"""
