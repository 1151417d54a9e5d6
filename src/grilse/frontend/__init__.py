"""The process that owns the terminal: command line, displays, prompts, shells.

Knows the protocol and the platform; must not know projects, plugins, storage or sandboxes.
"""
