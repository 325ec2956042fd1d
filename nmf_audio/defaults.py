"""Defaults of the functions and of the command, in one place that imports nothing."""

__all__ = ["DEFAULT_MIX", "DEFAULT_REDUCTION_DB", "METHOD_NAMES"]

METHOD_NAMES = ("trained", "adaptive", "classic")

DEFAULT_REDUCTION_DB = 30.0
"""The most that noise is pushed down; docs/quality.md has the measurement that chose it."""

DEFAULT_MIX = 1.0
