"""Distances in a network, predicted from few measurements.

The distance from one host to another is the product of what goes out of the first and what comes in at the second.
Landmarks measure all distances among themselves, and are factorized; others measure those to and from landmarks only,
and find their vectors by non-negative least squares: Y. Mao, L. K. Saul, J. M. Smith, "IDES: An Internet distance
estimation service for large networks", IEEE J. Sel. Areas Commun. 24(12), 2006. Late hosts take any others for
references, some misplaced; those that do not fit count less: Y. Chen et al., "Phoenix: A weight-based network
coordinate system using matrix factorization", IEEE Trans. Netw. Serv. Manag. 8(4), 2011.

    python demos/gallery/internet_distances.py -o distances.png

Simulated: 240 hosts in 12 networks; routes make detours, differ by direction, and break the triangle inequality.
"""

from pathlib import Path

import numpy as np
from common import Array, panels, picture_path

from nmf_audio.nmf import factorize, nnls

N_HOSTS, N_NETWORKS, N_LANDMARKS, N_EARLY = 240, 12, 24, 100


def simulate(rng: np.random.Generator) -> Array:
    """Return the distances in ms from each host to each other."""
    position, detour = rng.random((N_NETWORKS, 2)) * 100, rng.lognormal(0.3, 0.25, (N_NETWORKS, N_NETWORKS))
    detour = np.sqrt(detour * detour.T) * rng.lognormal(0, 0.1, detour.shape)
    between = np.linalg.norm(position[:, None] - position, axis=-1) * detour + 3
    network, access = rng.integers(0, N_NETWORKS, N_HOSTS), rng.gamma(2, 2, (2, N_HOSTS))
    return np.asarray(between[network][:, network] + access[0][:, None] + access[1])


def virtual_landmarks(D: Array) -> Array:
    """Return distances between principal components of the distances to landmarks (Tang & Crovella, IMC 2003)."""
    U, S, _ = np.linalg.svd(D - D.mean(axis=0), full_matrices=False)
    apart = np.linalg.norm((U * S)[:, None, :8] - (U * S)[None, :, :8], axis=-1)
    return np.asarray(apart * (apart[:, :N_LANDMARKS] * D).sum() / (apart[:, :N_LANDMARKS] ** 2).sum())


def place_late(D: Array, references: Array, known: Array, n_rounds: int) -> Array:
    """Return what goes out of hosts (columns) that know distances to some references, which may be misplaced."""
    weights = known / D**2
    for _ in range(n_rounds):
        out = nnls(D, references.T, weights=weights)
        misfit = np.abs(references.T @ out - D) / D
        weights = known / D**2 / (1 + (misfit / np.nanmedian(np.where(known, misfit, np.nan), axis=0)) ** 2)
    return out


def main(picture: Path | None) -> None:
    """Predict all distances from landmarks, then those of late hosts from references that may be misplaced."""
    rng = np.random.default_rng(0)
    true, n, k = simulate(rng), N_LANDMARKS, N_EARLY
    D = true * rng.lognormal(0, 0.05, true.shape)
    W, H, *_ = factorize(D[:n, :n], 8, weights=1 - np.eye(n), max_iter=1000, tol=1e-6, rng=0)
    out, into = nnls(D[:, :n].T, H.T).T, nnls(D[:n], W)
    methods = {"NMF": out @ into, "virtual landmarks": virtual_landmarks(D[:, :n])}
    methods["over a landmark"] = (D[:, :n, None] + D[:n]).min(axis=1)
    misplaced = into[:, :k] * np.where(rng.random(k) < 0.2, rng.uniform(1.5, 4, k), 1)
    known = np.argsort(rng.random((k, N_HOSTS - k)), axis=0) < n  # each late host has n references
    for name, n_rounds in (("late, all references alike", 1), ("late, fitting ones count more", 15)):
        methods[name] = out @ into
        methods[name][k:] = place_late(D[k:, :k].T, misplaced, known, n_rounds).T @ into
    errors, different = {}, ~np.eye(N_HOSTS, dtype=bool)
    for name, predicted in methods.items():
        first = k if name.startswith("late") else n
        errors[name] = np.sort(np.abs(predicted / true - 1)[first:, first:][different[first:, first:]])
        median, most = np.quantile(errors[name], [0.5, 0.9])
        print(f"{name:29}  error {median:5.1%} in the median, at most {most:4.0%} for 9 of 10 pairs")
    if picture is not None:
        with panels(picture, ["distances that nobody measured"], height=3) as (ax,):
            for name, error in errors.items():
                ax.plot(error, np.linspace(0, 1, len(error)), label=name)
            ax.set(xlim=(0, 1), xlabel="relative error", ylabel="share of pairs")
            ax.legend(frameon=False)


if __name__ == "__main__":
    main(picture_path(__doc__))
