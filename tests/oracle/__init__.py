"""Comparisons with BuildStream itself: the same projects under both tools, every field of every element."""
