"""Core kinds of source mirrors."""
