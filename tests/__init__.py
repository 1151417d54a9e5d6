"""Tests of grilse: unit, protocol, end to end, and beside BuildStream (oracle)."""
