"""Defaults of the functions and of the command, in one place that imports nothing."""

__all__ = ["DEFAULT_MIX", "DEFAULT_REDUCTION_DB", "METHOD_NAMES"]

METHOD_NAMES = ("trained", "adaptive", "classic")
DEFAULT_REDUCTION_DB = 30.0
DEFAULT_MIX = 1.0
