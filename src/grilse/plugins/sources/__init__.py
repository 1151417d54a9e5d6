"""Core kinds of sources."""
