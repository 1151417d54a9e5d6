"""Core kinds of elements."""
