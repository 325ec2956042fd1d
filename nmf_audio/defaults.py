"""Defaults of the functions and of the command, in one place that imports nothing."""

__all__ = [
    "CHANNEL_MODES",
    "DEFAULT_CHANNELS",
    "DEFAULT_MIX",
    "DEFAULT_NAME",
    "DEFAULT_REDUCTION_DB",
    "METHOD_NAMES",
    "PRESETS",
]

METHOD_NAMES = ("trained", "adaptive", "classic")

DEFAULT_REDUCTION_DB = 40.0
"""The most that noise is pushed down; docs/quality.md has the measurement that chose it."""

DEFAULT_MIX = 1.0

CHANNEL_MODES = ("linked", "independent")

DEFAULT_CHANNELS = "linked"

DEFAULT_NAME = "{stem}.denoised{ext}"
"""How an output is called: ``{stem}`` and ``{ext}`` are those of the recording."""

PRESETS = {
    "speech": {"reduction_db": DEFAULT_REDUCTION_DB, "mix": DEFAULT_MIX},
    "podcast": {"reduction_db": 20.0, "mix": 1.0},
    "call": {"reduction_db": 40.0, "mix": 1.0},
    "field": {"reduction_db": 12.0, "mix": 1.0},
}
"""Keyword arguments of `Denoiser` for some purposes."""
