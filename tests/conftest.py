"""What holds for all tests.

Knows how a test run is started, and no test.
"""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# How long an example takes says more about what else the machine does than about the example.
settings.register_profile("any-load", deadline=None)
settings.load_profile("any-load")


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Let programs that tests start be interrupted, also where the run was started in the background of a script:
    then SIGINT is ignored, and every program started inherits that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
