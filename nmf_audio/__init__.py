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
    from nmf_audio.jobs.report import Report, SeparationReport
    from nmf_audio.jobs.separate_file import separate_file
    from nmf_audio.live import LiveDenoiser
    from nmf_audio.nmf import NMF
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
    from nmf_audio.training.separator import SeparatorSettings, read_sources, train_separator
    from nmf_audio.training.sounds import read_recordings

__version__ = "0.1.0"

_HOME = {
    "AudioFileError": "errors",
    "BlindSeparator": "separation.blind",
    "Denoiser": "denoiser",
    "DenoiserSettings": "training.denoiser",
    "DeviceError": "errors",
    "Dictionary": "dictionary",
    "DictionaryError": "errors",
    "ExampleSeparator": "separation.example",
    "Explanation": "explanation",
    "FrontEndSpec": "dsp.bands",
    "Group": "dictionary",
    "LiveDenoiser": "live",
    "MemorySizes": "training.gated_memory",
    "MissingExtraError": "errors",
    "NMF": "nmf",
    "NmfAudioError": "errors",
    "ParameterError": "errors",
    "PercussiveSeparator": "separation.percussive",
    "RawFormat": "io.pcm",
    "Report": "jobs.report",
    "SeparationReport": "jobs.report",
    "SeparationStream": "separation.stream",
    "Separator": "separation.separator",
    "SeparatorSettings": "training.separator",
    "Stream": "stream",
    "denoise": "denoiser",
    "denoise_file": "jobs.denoise_file",
    "denoise_files": "jobs.batch",
    "explain": "explanation",
    "find_recordings": "training.corpus",
    "load_dictionary": "dictionary",
    "own_dictionaries": "dictionary.folders",
    "read_recordings": "training.sounds",
    "read_sources": "training.separator",
    "separate": "separation.separator",
    "separate_file": "jobs.separate_file",
    "separate_files": "jobs.batch",
    "separate_takes": "separation.recording_separator",
    "shipped_dictionaries": "dictionary",
    "train_denoiser": "training.denoiser",
    "train_plain": "training.plain",
    "train_separator": "training.separator",
}

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
    "SeparationReport",
    "SeparationStream",
    "Separator",
    "SeparatorSettings",
    "Stream",
    "__version__",
    "denoise",
    "denoise_file",
    "denoise_files",
    "explain",
    "find_recordings",
    "load_dictionary",
    "own_dictionaries",
    "read_recordings",
    "read_sources",
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
