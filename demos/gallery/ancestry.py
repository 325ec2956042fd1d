"""Ancestry of persons, and groups of them, from their genotypes.

Each person's genotype at a place of the genome is 0, 1 or 2 copies of an allele; which of the three, is what is
factorized: V ~= W @ H with the genotypes' frequencies in the ancestral populations W and the persons' ancestry
proportions H. An L1 penalty prefers persons of few ancestries. E. Frichot, F. Mathieu, T. Trouillon, G. Bouchard, O.
Francois, "Fast and efficient estimation of individual ancestry coefficients", Genetics 196(4), 2014 (sNMF).

    python demos/gallery/ancestry.py -o ancestry.png

Simulated: 150 persons, 600 places, three ancestral populations (F_ST .15, Balding & Nichols 1995).
"""

from pathlib import Path

import numpy as np
from common import Array, agreement, panels, picture_path

from nmf_audio.nmf import cross_validate, factorize, k_means, match_atoms

N_PLACES, N_PERSONS, F_ST = 600, 150, 0.15


def simulate(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return genotypes (places, persons) and ancestry proportions (3, persons)."""
    p = rng.uniform(0.1, 0.9, (N_PLACES, 1)) * np.ones(3)
    frequencies = rng.beta(p * (1 / F_ST - 1), (1 - p) * (1 / F_ST - 1))
    proportions = rng.dirichlet([0.3, 0.3, 0.3], N_PERSONS).T
    return rng.binomial(2, frequencies @ proportions), proportions


def in_order(H: Array, true: Array) -> Array:
    """Return proportions in the order of the true ones."""
    proportions = H / H.sum(axis=0)
    return np.asarray(proportions[match_atoms(proportions.T, true.T).order])


def main(picture: Path | None) -> None:
    """Count the ancestral populations, find the persons' shares of them, and the groups."""
    genotypes, true = simulate(np.random.default_rng(0))
    V = (genotypes[:, None] == np.arange(3)[:, None]).reshape(-1, N_PERSONS).astype(float)
    tried = cross_validate(V, range(2, 5), 2.0, n_folds=2, max_iter=80, rng=0)
    print(f"populations by cross-validation: {tried.best} (true: 3)")
    G = genotypes - genotypes.mean(axis=1, keepdims=True)
    components = np.linalg.svd(G, full_matrices=False)[2][:2].T
    found = {"k-means of principal components": np.eye(3)[k_means(components, 3, rng=0)].T}
    for name, beta, l1_H in (
        ("NMF", 2.0, 0.0),
        ("sparse NMF", 2.0, 0.6),
        ("NMF, Kullback-Leibler", 1.0, 0.0),
    ):
        found[name] = factorize(V, 3, beta, l1_H=l1_H, norm="l2", rng=0).normalized().H
    for name, H in found.items():
        shares = in_order(H, true)
        error = np.sqrt(((shares - true) ** 2).mean())
        same = agreement(shares.argmax(axis=0), true.argmax(axis=0))
        print(f"{name:31}  error of proportions {error:.3f}, main ancestry of {same:.0%} right")
    if picture is None:
        return
    order = np.lexsort((true[0], true.argmax(axis=0)))
    with panels(picture, ["true", "sparse NMF"], sharey=True) as axes:
        for ax, shares in zip(axes, (true, in_order(found["sparse NMF"], true)), strict=True):
            ax.stackplot(np.arange(N_PERSONS), shares[:, order], step="mid")
            ax.set(xlabel="person", xlim=(0, N_PERSONS - 1), ylim=(0, 1))
        axes[0].set_ylabel("ancestry")


if __name__ == "__main__":
    main(picture_path(__doc__))
