"""The only place that asks which operating system this is: same names in ``posix`` and ``windows``."""
