"""Parts of faces: what NMF finds, and principal components and prototypes do not.

Atoms can only be added, never subtracted, so they become parts, where principal components are whole faces of either
sign, and vector quantization gives whole prototypes. D. D. Lee, H. S. Seung, "Learning the parts of objects by
non-negative matrix factorization", Nature 401, 1999. Parts that vary independently and have a pixel of their own are
found: D. Donoho, V. Stodden, "When does non-negative matrix factorization give a correct decomposition into parts?",
NIPS 2003.

    python demos/gallery/faces.py -o faces.png

Simulated: 500 faces of 24 x 24 pixels, drawn from five features in three shapes each, with noise.
"""

from pathlib import Path

import numpy as np
from common import Array, panels, picture_path, show

from nmf_audio.nmf import factorize, k_means, match_atoms

SIZE, N_FACES, N_SHAPES = 24, 500, 3
FEATURES = [(3, 12, 2.5, 9), (10, 7, 2, 3), (10, 17, 2, 3), (14, 12, 3, 1.5), (19, 12, 1.5, 5)]
"""Row, column, height and width of hair, eyes, nose and mouth."""


def draw_parts() -> Array:
    """Return all shapes of all features, (pixels, features * shapes)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    parts = []
    for row, column, height, width in FEATURES:
        for shape in range(N_SHAPES):
            tilt = (shape - 1) * (0.25 if width > 4 else 0.5)
            u, v = x - column, y - row - tilt * np.abs(x - column)
            parts.append(np.exp(-((u / width) ** 4) - ((v / height * (1 + shape / 2)) ** 4)).ravel())
    return np.array(parts).T


def simulate(parts: Array, rng: np.random.Generator) -> Array:
    """Return faces (pixels, faces), each with one shape of each feature."""
    shape = rng.integers(0, N_SHAPES, (len(FEATURES), 1, N_FACES)) == np.arange(N_SHAPES)[:, None]
    strength = shape * rng.uniform(0.5, 1.5, (len(FEATURES), 1, N_FACES))
    faces = parts @ strength.reshape(-1, N_FACES)
    return np.asarray(faces + np.abs(rng.normal(0, 0.05, faces.shape)))


def main(picture: Path | None) -> None:
    """Learn as many atoms as there are parts, by three methods, and compare them with the parts."""
    parts = draw_parts()
    n, V = parts.shape[1], simulate(parts, np.random.default_rng(0))
    U = np.linalg.svd(V - V.mean(axis=1, keepdims=True), full_matrices=False)[0]
    labels = k_means(V.T, n, n_starts=3, rng=0)
    found = {
        "NMF": factorize(V, n, 2.0, init="anchors", max_iter=500, tol=1e-6).W,
        "principal components": U[:, :n],
        "vector quantization": np.stack([V[:, labels == k].mean(axis=1) for k in range(n)], axis=1),
    }
    for name, W in found.items():
        signed = np.hstack([W, -W]) if (W < 0).any() else W
        cosines = match_atoms(signed, parts).cosines
        energy = np.sort(W**2, axis=0)[::-1].cumsum(axis=0) / (W**2).sum(axis=0)
        share = (energy < 0.9).mean()
        print(
            f"{name:20}  cosine with the true part {cosines.mean():.3f}, {share:.0%} of the pixels in an atom"
        )
    if picture is not None:
        with panels(picture, ["a face", *found]) as axes:
            show(axes[0], V[:, 0].reshape(SIZE, SIZE))
            for ax, W in zip(axes[1:], found.values(), strict=True):
                tiles = (W / np.abs(W).max(axis=0)).T.reshape(len(FEATURES), N_SHAPES, SIZE, SIZE)
                show(ax, tiles.transpose(0, 2, 1, 3).reshape(len(FEATURES) * SIZE, -1))


if __name__ == "__main__":
    main(picture_path(__doc__))
