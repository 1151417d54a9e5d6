"""The spawned process that runs one job at a time from its message.

Knows nothing of the scheduler or of other jobs: everything it needs is in the job's message.
"""
