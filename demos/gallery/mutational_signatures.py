"""Processes that cause mutations, found in catalogues of tumours.

Each process leaves a signature: how often it changes which base between which neighbours (96 kinds of changes). A
tumour's counts are the sum of what the processes did in it, with Poisson noise, so that the likelihood is the
Kullback-Leibler divergence. L. B. Alexandrov, S. Nik-Zainal, D. C. Wedge, P. J. Campbell, M. R. Stratton,
"Deciphering signatures of mutational processes operative in human cancer", Cell Reports 3(1), 2013.

    python demos/gallery/mutational_signatures.py -o signatures.png

Simulated: five signatures after descriptions of well-known ones, in 120 tumours.
"""

from pathlib import Path

import numpy as np
from common import Array, panels, picture_path

from nmf_audio.nmf import Factorization, cross_validate, factorize, match_atoms

NAMES = ["ageing", "APOBEC", "tobacco", "sunlight", "flat"]
CHANGES = ["C>A", "C>G", "C>T", "T>A", "T>C", "T>G"]
A, C, G, T = range(4)


def simulate(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return counts (96, 120), signatures (96, 5) and exposures (5, 120)."""
    kinds = np.full((5, 6, 4, 4), 0.03)  # signature, change, base before, base after
    kinds[0, 2, :, G] += 4
    kinds[1, 1:3, T] += [[3, 0, 0.5, 2], [2, 0, 0.5, 3]]
    kinds[2, 0] += 1
    kinds[2, 3] += 0.3
    kinds[3, 2, [C, T]] += 3
    kinds[4] += 1
    signatures = (kinds * rng.gamma(4, 1 / 4, kinds.shape)).reshape(5, 96).T
    signatures /= signatures.sum(axis=0)
    present = rng.random((5, 120)) < np.array([0.9, 0.4, 0.3, 0.3, 0.8])[:, None]
    exposures = present * rng.lognormal(4, 1, (5, 120)) * rng.lognormal(0, 1.2, 120)
    return rng.poisson(signatures @ exposures), signatures, exposures


def best_of(V: Array, n_components: int, beta: float, n_starts: int = 4) -> Factorization:
    """Return the factorization of the smallest cost from several starts."""
    runs = [factorize(V, n_components, beta, max_iter=1000, tol=1e-6, rng=seed) for seed in range(n_starts)]
    return min(runs, key=lambda run: run.cost)


def main(picture: Path | None) -> None:
    """Count the processes, find them, compare."""
    V, signatures, exposures = simulate(np.random.default_rng(1))
    tried = cross_validate(V, range(3, 8), n_folds=3, rng=0)
    print(f"signatures by cross-validation: {tried.best} (true: 5)")
    run = best_of(V, tried.best, 1.0).normalized()
    U = np.linalg.svd(V - V.mean(axis=1, keepdims=True), full_matrices=False)[0][:, : tried.best]
    methods = {"Kullback-Leibler": run.W, "squares": best_of(V, tried.best, 2.0).W}
    for name, W in (methods | {"principal components": np.hstack([U, -U])}).items():
        cosines = match_atoms(W, signatures).cosines
        print(
            f"{name:20}  cosines with the true signatures {cosines.mean():.3f}, at least {cosines.min():.3f}"
        )
    order = match_atoms(run.W, signatures).order
    correlation = np.corrcoef(run.H[order].ravel(), exposures.ravel())[0, 1]
    print(f"mutations of each process in each tumour: correlation with the true ones {correlation:.3f}")
    found = run.W[:, order]
    if picture is None:
        return
    with panels(picture, NAMES[:4], sharey=True) as axes:
        for k, ax in enumerate(axes):
            ax.bar(np.arange(96), signatures[:, k], color="0.7", width=1, label="true")
            ax.plot(found[:, k], "C0.", markersize=3, label="found")
            ax.set_xticks(np.arange(6) * 16 + 8, CHANGES, fontsize="x-small")
        axes[0].legend(frameon=False)


if __name__ == "__main__":
    main(picture_path(__doc__))
