"""One interface (a command on an input tree gives an output tree) and several ways to run it.

Must not know elements or projects.
"""
