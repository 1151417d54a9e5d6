"""Content-addressed store, directory trees, artifacts and cached sources, in bst's cache layout.

Must not know elements' plugins, projects or processes.
"""
