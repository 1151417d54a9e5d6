"""The gRPC library, set up the way we use it.

Knows nothing of services.  Import `grpc` from here: the library reads its environment when it is imported.
"""

from __future__ import annotations

import os

# We spawn and never fork while talking, so that the library's handlers around fork() only cost time and log lines.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# What the library finds wrong reaches users as our errors; its own lines would end up in the logs of builds.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

__all__ = ["grpc"]
