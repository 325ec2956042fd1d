"""Speech denoising and source separation with non-negative matrix factorization (NMF).

The public names are imported on first use, so that ``import nmf_audio`` itself costs nothing.

Examples
--------
>>> import numpy as np
>>> import nmf_audio
>>> y = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
>>> nmf_audio.denoise(y, 16000).shape
(16000,)
"""

from importlib import import_module

# what type checkers take for true, without the time that it takes to load typing
TYPE_CHECKING = False

if TYPE_CHECKING:
    from nmf_audio.denoiser import Denoiser, denoise
    from nmf_audio.dictionary import Dictionary, Group, load_dictionary, shipped_dictionaries
    from nmf_audio.dictionary.folders import own_dictionaries
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.errors import (
        AudioFileError,
        DeviceError,
        DictionaryError,
        MissingExtraError,
        NmfAudioError,
        ParameterError,
    )
    from nmf_audio.explanation import Explanation, explain
    from nmf_audio.io.pcm import RawFormat
    from nmf_audio.jobs.batch import denoise_files, separate_files
    from nmf_audio.jobs.denoise_file import denoise_file
    from nmf_audio.jobs.report import Report, RestorationReport, SeparationReport
    from nmf_audio.jobs.restore_file import restore_file
    from nmf_audio.jobs.separate_file import separate_file
    from nmf_audio.live import LiveDenoiser
    from nmf_audio.nmf import NMF
    from nmf_audio.restoration.restorer import Restorer, restore
    from nmf_audio.restoration.stream import RestorationStream
    from nmf_audio.separation.blind import BlindSeparator
    from nmf_audio.separation.example import ExampleSeparator
    from nmf_audio.separation.percussive import PercussiveSeparator
    from nmf_audio.separation.recording_separator import separate_takes
    from nmf_audio.separation.separator import Separator, separate
    from nmf_audio.separation.stream import SeparationStream
    from nmf_audio.stream import Stream
    from nmf_audio.training.corpus import find_recordings
    from nmf_audio.training.denoiser import DenoiserSettings, train_denoiser
    from nmf_audio.training.gated_memory import MemorySizes
    from nmf_audio.training.plain import train_plain
    from nmf_audio.training.rank_search import choose_n_components, find_rank
    from nmf_audio.training.separator import SeparatorSettings, read_sources, train_separator
    from nmf_audio.training.sounds import read_recordings

__version__ = "0.1.0"

_NAMES = {
    "denoiser": "Denoiser denoise",
    "dictionary": "Dictionary Group load_dictionary shipped_dictionaries",
    "dictionary.folders": "own_dictionaries",
    "dsp.bands": "FrontEndSpec",
    "errors": "AudioFileError DeviceError DictionaryError MissingExtraError NmfAudioError ParameterError",
    "explanation": "Explanation explain",
    "io.pcm": "RawFormat",
    "jobs.batch": "denoise_files separate_files",
    "jobs.denoise_file": "denoise_file",
    "jobs.report": "Report RestorationReport SeparationReport",
    "jobs.restore_file": "restore_file",
    "jobs.separate_file": "separate_file",
    "live": "LiveDenoiser",
    "nmf": "NMF",
    "restoration.restorer": "Restorer restore",
    "restoration.stream": "RestorationStream",
    "separation.blind": "BlindSeparator",
    "separation.example": "ExampleSeparator",
    "separation.percussive": "PercussiveSeparator",
    "separation.recording_separator": "separate_takes",
    "separation.separator": "Separator separate",
    "separation.stream": "SeparationStream",
    "stream": "Stream",
    "training.corpus": "find_recordings",
    "training.denoiser": "DenoiserSettings train_denoiser",
    "training.gated_memory": "MemorySizes",
    "training.plain": "train_plain",
    "training.rank_search": "choose_n_components find_rank",
    "training.separator": "SeparatorSettings read_sources train_separator",
    "training.sounds": "read_recordings",
}
"""Public names by the module that holds them."""

_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "NMF",
    "AudioFileError",
    "BlindSeparator",
    "Denoiser",
    "DenoiserSettings",
    "DeviceError",
    "Dictionary",
    "DictionaryError",
    "ExampleSeparator",
    "Explanation",
    "FrontEndSpec",
    "Group",
    "LiveDenoiser",
    "MemorySizes",
    "MissingExtraError",
    "NmfAudioError",
    "ParameterError",
    "PercussiveSeparator",
    "RawFormat",
    "Report",
    "RestorationReport",
    "RestorationStream",
    "Restorer",
    "SeparationReport",
    "SeparationStream",
    "Separator",
    "SeparatorSettings",
    "Stream",
    "__version__",
    "choose_n_components",
    "denoise",
    "denoise_file",
    "denoise_files",
    "explain",
    "find_rank",
    "find_recordings",
    "load_dictionary",
    "own_dictionaries",
    "read_recordings",
    "read_sources",
    "restore",
    "restore_file",
    "separate",
    "separate_file",
    "separate_files",
    "separate_takes",
    "shipped_dictionaries",
    "train_denoiser",
    "train_plain",
    "train_separator",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
