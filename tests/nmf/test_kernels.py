"""Compiled kernels: where they are kept, and what is loaded without them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


needs_jit = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="looks at compilation")


@needs_jit
@pytest.mark.slow
def test_a_missing_cache_folder_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    code = "from nmf_audio.nmf import FrameSolver; print(FrameSolver([[1.0]]).solve([[2.0]], [[2.0]]).item())"
    assert float(run(code, NUMBA_CACHE_DIR=str(folder))) == pytest.approx(2.0, rel=1e-4)
    assert any(folder.rglob("*.nbi"))


def test_importing_the_package_and_the_divergence_loads_no_numba() -> None:
    code = """if True:
        import sys, nmf_audio.nmf
        print('numpy' in sys.modules)
        nmf_audio.nmf.beta_divergence
        print('numba' in sys.modules)
    """
    assert run(code).split() == ["False", "False"]


def test_denoising_loads_nothing_of_the_other_factorizations() -> None:
    code = """if True:
        import sys, nmf_audio
        print(sum(name.startswith('nmf_audio.') for name in sys.modules))
        import numpy
        nmf_audio.denoise(0.1 * numpy.random.default_rng(0).standard_normal(8000).astype('f'), 16000)
        print(*(name.removeprefix('nmf_audio.nmf.') for name in sys.modules if name.startswith('nmf_audio.nmf.')))
        print(*({'numba', 'scipy', 'sklearn'} & set(sys.modules)))
    """
    before, modules, *libraries = run(code).splitlines()
    assert before == "0"
    assert set(modules.split()) <= {"gated_memory", "unrolled", "unrolled_constants", "unrolled_sources"}
    assert not "".join(libraries)
