"""Spectra of pure substances, and how much of each is in mixtures, from mixtures only.

Some wavenumbers belong to one substance alone (W. Windig, J. Guilment, "Interactive self-modeling mixture analysis",
Anal. Chem. 63, 1991). They are found as the anchors of the transposed data, and NMF goes on from there: P. Sajda et
al., "Nonnegative matrix factorization for rapid recovery of constituent spectra in magnetic resonance chemical shift
imaging of the brain", IEEE Trans. Medical Imaging 23(12), 2004. The standard method is alternating least squares with
negative numbers set to 0 (MCR-ALS: A. de Juan, R. Tauler, Crit. Rev. Anal. Chem. 36, 2006).

    python demos/gallery/spectra.py -o spectra.png

Simulated: 60 mixtures of four substances with eight peaks each; the photons counted have Poisson noise.
"""

from pathlib import Path
from typing import Any

import numpy as np
from common import Array, panels, picture_path

from nmf_audio.nmf import factorize, find_anchors, match_atoms, nnls

N_WAVENUMBERS, N_MIXTURES, N_SUBSTANCES = 300, 60, 4


def simulate(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return counts (wavenumbers, mixtures), spectra, and shares of the substances."""
    place = rng.uniform(0.03, 0.97, (N_SUBSTANCES, 8))
    distance = (np.linspace(0, 1, N_WAVENUMBERS)[:, None, None] - place) / 0.008
    spectra = (rng.gamma(1.5, 1, place.shape) / (1 + distance**2)).sum(axis=2)
    spectra /= spectra.sum(axis=0)
    shares = rng.dirichlet(np.full(N_SUBSTANCES, 1.5), N_MIXTURES).T
    return rng.poisson(100 * N_WAVENUMBERS * spectra @ shares).astype(float), spectra, shares


def alternate(V: Array, W: Array, n_iter: int = 100) -> tuple[Array, Array]:
    """Return spectra and contributions by alternating least squares without negative numbers."""
    for _ in range(n_iter):
        H = np.maximum(np.linalg.lstsq(W, V)[0], 0)
        W = np.maximum(np.linalg.lstsq(H.T, V.T)[0].T, 0)
    return W, H


def main(picture: Path | None) -> None:
    """Take the mixtures apart by five methods."""
    V, spectra, shares = simulate(np.random.default_rng(0))
    bright = np.flatnonzero(V.mean(axis=1) > 0.5 * V.mean())
    pure = V[bright[find_anchors(V[bright].T, N_SUBSTANCES)]]  # what pure wavenumbers have, substances have
    start = nnls(V.T, pure.T).T
    mixtures = V[:, find_anchors(V, N_SUBSTANCES)]
    options: dict[str, Any] = {"max_iter": 1000, "tol": 1e-6, "rng": 0}
    found = {
        "pure wavenumbers alone": (start, pure),
        "MCR-ALS from the purest mixtures": alternate(V, mixtures),
        "MCR-ALS from pure wavenumbers": alternate(V, start),
        "NMF from a random start": factorize(V, N_SUBSTANCES, **options)[:2],
        "NMF from pure wavenumbers": factorize(V, W=start, H=pure, **options)[:2],
    }
    for name, (W, H) in found.items():
        order, cosines = match_atoms(W, spectra)
        share = (H * W.sum(axis=0)[:, None])[order]
        error = np.sqrt(((share / share.sum(axis=0) - shares) ** 2).mean())
        print(
            f"{name:33}  cosines with true spectra {cosines.min():.4f} or more, error of shares {error:.3f}"
        )
    if picture is None:
        return
    W = found["NMF from pure wavenumbers"][0]
    W = (W / W.sum(axis=0))[:, match_atoms(W, spectra).order]
    with panels(picture, ["three mixtures", *(f"substance {k}" for k in range(1, 4))]) as axes:
        axes[0].plot(V[:, :3], linewidth=0.8)
        for k, ax in enumerate(axes[1:]):
            ax.plot(spectra[:, k], "0.7", linewidth=3, label="true")
            ax.plot(W[:, k], "C0", linewidth=0.8, label="found")
        axes[1].legend(frameon=False)


if __name__ == "__main__":
    main(picture_path(__doc__))
