"""grilse builds BuildStream projects; its interface, scheduler and jobs are separate, spawned processes."""

__version__ = "0.1.0"

# The BuildStream version whose project format and command line are spoken.
FORMAT_VERSION = "2.8.1"
