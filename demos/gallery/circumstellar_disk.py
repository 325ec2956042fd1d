"""A disk of dust around a star, found behind the star's light.

Images of other stars teach what starlight looks like in this instrument: one atom after the other, the earlier ones
kept (B. Ren, L. Pueyo, G. B. Zhu, J. Debes, G. Duchene, "Non-negative matrix factorization: robust extraction of
extended structures", Astrophysical Journal 852, 2018). Pixels where the disk may be are missing data: the atoms are
fitted to the others and impute the star there, so that nothing of the disk is taken for starlight (B. Ren et al.,
"Using data imputation for signal separation in high-contrast imaging", Astrophysical Journal 892, 2020). The standard
method, principal components (KLIP: R. Soummer, L. Pueyo, J. Larkin, Astrophysical Journal 755, 2012), does.

    python demos/gallery/circumstellar_disk.py -o disk.png

Simulated: a halo and six patterns of speckles, 40 reference stars, a bright centre that is hidden, noise.
"""

from pathlib import Path

import numpy as np
from common import Array, panels, picture_path, show

from nmf_audio.nmf import factorize_sequentially, impute, nnls

SIZE, N_ATOMS = 41, 16
Y, X = np.mgrid[:SIZE, :SIZE] - SIZE // 2
RADIUS = np.hypot(X, Y)
SEEN = RADIUS > 4


def simulate(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return images of reference stars (stars, rows, columns), of the star with its disk, and the disk."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    waves = np.fft.fft2(rng.standard_normal((6, SIZE, SIZE))) * np.exp(-((frequency / 0.18) ** 2))
    speckles = np.abs(np.fft.ifft2(waves)) ** 2
    halo = 100 * np.exp(-RADIUS / 6)
    patterns = np.stack([halo, *(halo * speckles / speckles.mean(axis=(1, 2), keepdims=True))])
    stars = np.tensordot(rng.gamma(4, 1 / 4, (41, 7)) * [1, *[0.25] * 6], patterns, 1)
    along, across = X * np.cos(0.5) + Y * np.sin(0.5), Y * np.cos(0.5) - X * np.sin(0.5)
    disk = (
        1.5
        * np.exp(-(((np.hypot(along, 2.2 * across) - 13) / 2) ** 2) / 2)
        * (1 + 0.5 * along / (RADIUS + 1))
    )
    stars[-1] += disk
    stars += rng.normal(0, 1, stars.shape) * np.sqrt(0.15**2 + 0.05**2 * stars)
    return np.maximum(stars[:-1], 0), np.maximum(stars[-1], 0), disk


def main(picture: Path | None) -> None:
    """Learn the starlight, take it away by four methods, compare with the disk."""
    references, image, disk = simulate(np.random.default_rng(0))
    V, target, true = references[:, SEEN].T, image[SEEN], disk[SEEN]
    maybe_disk = true > 0.05 * true.max()
    W = factorize_sequentially(V, N_ATOMS, 2.0, tol=1e-5).W
    weights = 1 / (0.15**2 + 0.05**2 * target[:, None])  # the inverse variances
    known = np.where(maybe_disk, np.nan, target)[:, None]
    imputed = impute(known, W=W, beta=2.0, weights=weights, solver="hals")
    U = np.linalg.svd(V - V.mean(axis=0), full_matrices=False)[0][:, :N_ATOMS]
    starlight = {
        "principal components": U @ (U.T @ (target - target.mean())) + target.mean(),
        "NMF of all pixels": (W @ nnls(target[:, None], W, weights=weights))[:, 0],
        "NMF, disk missing": (imputed.W @ imputed.H)[:, 0],
    }
    found = {name: target - star for name, star in starlight.items()}
    noise = np.sqrt((1 / weights[maybe_disk]).mean() / (true[maybe_disk] ** 2).mean())
    for name, left in found.items():
        flux = left[maybe_disk].sum() / true[maybe_disk].sum()
        error = np.sqrt(((left - true)[maybe_disk] ** 2).mean() / (true[maybe_disk] ** 2).mean())
        print(
            f"{name:20}  {flux:.0%} of the disk's light, relative error {error:.2f} (noise alone: {noise:.2f})"
        )
    if picture is not None:
        with panels(picture, ["star and disk", "true disk", *found]) as axes:
            for ax, pixels in zip(axes, (target, true, *found.values()), strict=True):
                whole = np.full(RADIUS.shape, np.nan)
                whole[SEEN] = pixels
                show(ax, whole, vmin=0, vmax=30 if pixels is target else 2)


if __name__ == "__main__":
    main(picture_path(__doc__))
