"""The spawned process that loads the project, plans and schedules.

Must not know terminals, and never runs plugin code that may block: jobs do, in workers.
"""
