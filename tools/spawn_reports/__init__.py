"""Make the reports of the spawn audit that stand in docs/reports, and check that they are current."""
