"""Organs and their time-activity curves from a dynamic nuclear image, against non-uniqueness.

Blood is everywhere, and never without activity. So other organs' curves can be mixed into that of blood at hardly any
cost: the factorization is not unique, and the start decides. Sparse images of the organs decide instead: a penalty on
their sum, with curves of unit length. A. Sitek, G. T. Gullberg, R. H. Huesman, "Correction for ambiguous solutions in
factor analysis using a penalized least squares objective", IEEE Trans. Medical Imaging 21(3), 2002, penalise the
overlap of images to the same end.

    python demos/gallery/nuclear_imaging.py -o kidneys.png

Simulated: a renal scan, 32 x 32 pixels, 60 times, Poisson noise: blood, cortex of the kidneys, pelvis and bladder.
"""

from pathlib import Path

import numpy as np
from common import Array, panels, picture_path, show

from nmf_audio.nmf import factorize, match_atoms

SIZE, ORGANS = 32, ["blood", "cortex", "pelvis and bladder"]


def simulate(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return counts (times, pixels), curves (times, organs) and images (organs, pixels)."""
    y, x = np.mgrid[:SIZE, :SIZE]

    def ellipse(row: float, column: float, height: float, width: float) -> Array:
        return np.where(((y - row) / height) ** 2 + ((x - column) / width) ** 2 < 1, 1.0, 0.0)

    kidneys, pelvis = (
        ellipse(18, 8, 5, 4) + ellipse(18, 23, 5, 4),
        ellipse(18, 10, 2.5, 2) + ellipse(18, 21, 2.5, 2),
    )
    blood = ellipse(7, 17, 5, 5) + 0.15 * ellipse(16, 16, 15, 14)
    images = np.stack([blood, kidneys - 0.5 * pelvis, pelvis + ellipse(29, 16, 3, 4)]).reshape(3, -1)
    t = np.linspace(0, 1, 60)
    uptake = t / 0.12 * np.exp(1 - t / 0.12) + 0.1 * np.exp(-t)
    curves = np.stack([np.exp(-4 * t) + 0.15, uptake, 1 / (1 + np.exp(-12 * (t - 0.45)))], axis=1)
    curves /= curves.max(axis=0)
    return rng.poisson(30 * curves @ images), curves, images


def main(picture: Path | None) -> None:
    """Factorize from several starts, without and with a penalty."""
    V, curves, images = simulate(np.random.default_rng(0))
    found = {}
    for name, l1_H in (("without penalty", 0.0), ("sparse images", 0.5)):
        runs = []
        for seed in range(6):
            run = factorize(V, 3, l1_H=l1_H, norm="l2", max_iter=1000, tol=1e-7, rng=seed)
            order, cosines = match_atoms(run.W, curves)
            runs.append((run.W[:, order], run.H[order], cosines))
        spread = min(match_atoms(W, runs[0][0]).cosines.min() for W, _, _ in runs)
        worst = np.min([cosines for _, _, cosines in runs], axis=0)
        of_images = np.min([match_atoms(H.T, images.T).cosines for _, H, _ in runs], axis=0)
        listed = ", ".join(f"{organ} {c:.3f}" for organ, c in zip(ORGANS, worst, strict=True))
        print(f"{name}, the worst of six starts: cosines with the true curves: {listed}")
        print(
            f"    with the true images {of_images.min():.3f} or more; of curves from different starts {spread:.3f}"
        )
        found[name] = runs[0]
    if picture is None:
        return
    with panels(picture, [*ORGANS, "curves"]) as axes:
        W, H, _ = found["sparse images"]
        for k, ax in enumerate(axes[:3]):
            show(ax, H[k].reshape(SIZE, SIZE))
            axes[3].plot(W[:, k] / W[:, k].max(), f"C{k}", label="sparse" if k == 0 else None)
            axes[3].plot(curves[:, k], f"C{k}:", label="true" if k == 0 else None)
        blood = found["without penalty"][0][:, 0]
        axes[3].plot(blood / blood.max(), "0.6", label="no penalty")
        axes[3].legend(frameon=False, fontsize="x-small")


if __name__ == "__main__":
    main(picture_path(__doc__))
