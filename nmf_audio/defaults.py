"""Defaults of the functions and of the command, in one place that imports nothing."""

__all__ = [
    "CHANNEL_MODES",
    "DEFAULT_CHANNELS",
    "DEFAULT_CONTINUITY",
    "DEFAULT_GROUP_SPARSITY",
    "DEFAULT_LIVE_LATENCY",
    "DEFAULT_MASK_POWER",
    "DEFAULT_MIX",
    "DEFAULT_NAME",
    "DEFAULT_NOISE_NAME",
    "DEFAULT_REDUCTION_DB",
    "DEFAULT_RESTORED_NAME",
    "DEFAULT_SOURCE_NAME",
    "DEFAULT_WARM_UP",
    "METHOD_NAMES",
    "PRESETS",
    "RESIDUAL",
    "STRENGTHS",
]

METHOD_NAMES = ("trained", "adaptive", "classic")

DEFAULT_REDUCTION_DB = 40.0
"""The most that noise is pushed down; docs/quality.md has the measurement that chose it."""

DEFAULT_MIX = 1.0

CHANNEL_MODES = ("linked", "independent")

DEFAULT_CHANNELS = "linked"

DEFAULT_NAME = "{stem}.denoised{ext}"
"""How an output is called: ``{stem}`` and ``{ext}`` are those of the recording."""

DEFAULT_RESTORED_NAME = "{stem}.restored{ext}"
"""The same of a recording that is restored."""

DEFAULT_NOISE_NAME = "{stem}.noise{ext}"
"""How what was removed is called in examples."""

DEFAULT_MASK_POWER = 2.0
"""Exponent of the masks on magnitudes: the Wiener filter."""

DEFAULT_CONTINUITY = 300.0
"""How steady what sounds on is held against what strikes; docs/blind.md shows what it is worth."""

DEFAULT_GROUP_SPARSITY = 0.0
"""How strongly one source at a time is preferred."""

DEFAULT_SOURCE_NAME = "{stem}.{source}{ext}"
"""How the parts of a recording are called: ``{source}`` is the name of a source, or `RESIDUAL`."""

DEFAULT_WARM_UP = 2.0
"""Seconds of a recording that are heard before it is denoised; docs/parts.md has the measurement that chose it."""

RESIDUAL = "residual"
"""What a separation calls the mixture less all of its sources."""

PRESETS = {
    "speech": {"reduction_db": DEFAULT_REDUCTION_DB, "mix": DEFAULT_MIX},
    "podcast": {"reduction_db": 24.0, "mix": 1.0},
    "call": {"reduction_db": 30.0, "mix": 1.0},
    "field": {"reduction_db": 12.0, "mix": 1.0},
}
"""Keyword arguments of `Denoiser` for some purposes; docs/quality.md has the measurements that chose them."""

STRENGTHS = {
    "light": {"reduction_db": 12.0, "mix": 1.0},
    "normal": {"reduction_db": DEFAULT_REDUCTION_DB, "mix": DEFAULT_MIX},
    "strong": {"reduction_db": 60.0, "mix": 1.0},
}
"""Keyword arguments of `Denoiser` for how much noise may stay; docs/quality.md has what each is worth."""

DEFAULT_LIVE_LATENCY = "low"
"""What a live session asks of the devices' buffers."""
