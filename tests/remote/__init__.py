"""Tests against real services, started on the loopback interface and stopped again."""
