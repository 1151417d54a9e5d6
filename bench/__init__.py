"""Measurements of grilse, beside BuildStream where it can do the same."""
