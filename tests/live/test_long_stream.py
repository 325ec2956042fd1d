"""What a live stream must not do while it runs: grow, or compile."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from nmf_audio import Denoiser
from nmf_audio.decompose import METHODS

# Counts what kernels were compiled or loaded for, once when the stream is made and once after a second of sound.
COUNT = """
import numpy as np
from nmf_audio import Denoiser
from nmf_audio.nmf import kernels

def signatures():
    return [len(getattr(getattr(kernels, name), "signatures", ())) for name in kernels.__all__]

stream = Denoiser(method={method!r}).stream(16000)
before = signatures()
for block in 0.1 * np.random.default_rng(0).standard_normal((60, 256)).astype(np.float32):
    stream.process(block, fixed=True)
stream.reset()
stream.process(block)
print(sum(before), before == signatures())
"""


def run(code: str) -> list[str]:
    """Run a program in a new process; return the words it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "sr", "n_channels"), [*((m, 16000, 1) for m in METHODS), ("trained", 48000, 2)]
)
def test_memory_does_not_grow(method: str, sr: int, n_channels: int) -> None:
    stream = Denoiser(method=method).stream(sr, n_channels)
    shape = (50, n_channels, round(0.016 * sr))
    blocks = 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    traced = []
    tracemalloc.start()
    try:
        for _ in range(5):
            for _ in range(2):
                for block in blocks:
                    stream.process(block, fixed=True)
            gc.collect()
            traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(traced) - traced[0] < 4096


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=pytest.mark.slow) if m == "classic" else m for m in METHODS]
)
def test_nothing_is_compiled_once_a_stream_is_made(method: str) -> None:
    n_before, same = run(COUNT.format(method=method))
    assert same == "True"
    assert (int(n_before) > 0) == (method != "trained")


def test_the_default_method_needs_no_compiler_at_all() -> None:
    program = "import sys, nmf_audio; nmf_audio.Denoiser().stream(48000, 2); print('numba' in sys.modules)"
    assert run(program) == ["False"]
