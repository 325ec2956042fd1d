"""Cost of atoms that are learned in passes over a stream against that of a batch which holds all frames.

::

    python benchmarks/corpus_cost.py RECORDINGS [--minutes 20 60] [--components 64] [--beta 1] [--sparsity 1]
        [--passes 1 2 3]

RECORDINGS are files and folders; of these, recordings are drawn until they have so many minutes, and taken for one
group, so that both learn from the same frames with the same weights. The batch is 100 iterations. The cost is that of
all frames, with the best activations that 100 iterations find, relative to the batch.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from table import print_table

from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.nmf import activations, beta_divergence
from nmf_audio.training.corpus import Corpus, find_recordings
from nmf_audio.training.frames import Frames, analyse, normalised_frames
from nmf_audio.training.plain import train_plain
from nmf_audio.training.streaming import train_passes

BLOCK = 8192


def draw(corpus: Corpus, seconds: float) -> Corpus:
    """Return recordings drawn at random, as one group, the last one shortened so that they last so long."""
    drawn = []
    for i in np.random.default_rng(0).permutation(len(corpus.recordings)):
        recording = corpus.recordings[i]
        n = min(recording.n_samples, round(seconds * recording.sr))
        drawn.append(replace(recording, group="all", n_samples=n))
        seconds -= n / recording.sr
        if seconds <= 0:
            break
    return replace(corpus, recordings=tuple(drawn))


def mean_cost(dictionary: Dictionary, frames: Frames, l1_H: float) -> float:
    """Return the cost of a frame with the best activations."""
    W, total = dictionary.arrays["W"], 0.0
    for first in range(0, frames.V.shape[1], BLOCK):
        V = frames.V[:, first : first + BLOCK] ** np.float32(dictionary.power)
        M = None if frames.M is None else frames.M[:, first : first + BLOCK]
        H = activations(V, W, beta=dictionary.beta, l1_H=l1_H, n_iter=100, weights=M)
        total += beta_divergence(V, W @ H, dictionary.beta, weights=M) + l1_H * float(H.sum())
    return float(total / frames.V.shape[1])


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Cost of passes over a stream against a batch.")
    parser.add_argument("recordings", type=Path, nargs="+", help="files and folders of sound")
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0, 60.0])
    parser.add_argument("--components", type=int, default=64, help="atoms (default: %(default)s)")
    parser.add_argument("--beta", type=float, default=1.0, help="divergence (default: %(default)s)")
    parser.add_argument("--sparsity", type=float, default=1.0, help="penalty (default: %(default)s)")
    parser.add_argument("--passes", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    found = find_recordings(options.recordings, sr=FrontEndSpec().sr)
    rows = []
    for minutes in options.minutes:
        corpus = draw(found, 60 * minutes)
        started = time.process_time()
        batch = train_plain(
            corpus,
            source="speech",
            one_group="speech",
            n_components=options.components,
            beta=options.beta,
            l1_H=options.sparsity,
            n_frames=2**31,
            max_seconds=corpus.seconds,
            rng=0,
        )
        taken = time.process_time() - started
        bands = analyse(corpus.clips(), FrontEndSpec())
        (frames,) = normalised_frames(
            bands,
            spectrum=batch.spectrum,
            n_frames=None,
            one_group="speech",
            rng=np.random.default_rng(0),
        ).values()
        of_batch = mean_cost(batch, frames, options.sparsity)
        length = f"{corpus.seconds / 60:.0f}"
        rows.append([length, "batch", f"{of_batch:.3f}", "1", f"{taken:.1f}"])
        for passes in options.passes:
            started = time.process_time()
            streamed = train_passes(
                corpus,
                source="speech",
                one_group="speech",
                n_components=options.components,
                beta=options.beta,
                l1_H=options.sparsity,
                spectrum=batch.spectrum,
                passes=passes,
            )
            taken = time.process_time() - started
            cost = mean_cost(streamed, frames, options.sparsity)
            rows.append([length, f"{passes} passes", f"{cost:.3f}", f"{cost / of_batch:.4f}", f"{taken:.1f}"])
    print_table(["minutes", "learned in", "cost a frame", "to batch", "CPU s"], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
