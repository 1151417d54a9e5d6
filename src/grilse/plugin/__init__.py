"""The public plugin API of BuildStream 2.8 (Element, Source, ...), also importable as ``buildstream``.

Must not know how projects are loaded or jobs are scheduled.
"""
