"""Settings for the property tests of storage: they touch the disk, whose speed is not theirs to promise."""

from hypothesis import settings

settings.register_profile("storage", deadline=None)
settings.load_profile("storage")
