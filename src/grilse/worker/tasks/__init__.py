"""One module a task, each with ``run(job: JobContext) -> dict`` (what the backend needs of the outcome)."""
