"""Classes of tumours, found in the expression of their genes.

Atoms are metagenes, and a sample belongs to the one that is most active in it. From many random starts come the
shares of the runs in which two samples are together; where these are near 0 or 1, the number of classes is right, and
their hierarchical clustering is faithful (its cophenetic correlation is near 1). J.-P. Brunet, P. Tamayo, T. R.
Golub, J. P. Mesirov, "Metagenes and molecular pattern discovery using matrix factorization", PNAS 101(12), 2004.

    python demos/gallery/gene_expression.py -o expression.png

Simulated: 60 samples, 400 genes; three classes, of which two are much alike; each sample has its own level.
"""

from pathlib import Path

import numpy as np
from common import Array, agreement, panels, picture_path, show
from scipy.cluster.hierarchy import cophenet, fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from nmf_audio.nmf import factorize, k_means

N_GENES, SIZES = 400, (24, 20, 16)


def simulate(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return expression (genes, samples) and the class of each sample."""
    classes = np.repeat(np.arange(3), SIZES)
    level = rng.gamma(1, 1, (N_GENES, 1)) * np.ones(3)
    level[:40, 0] *= 3  # genes that mark the first class, the last two, and each of these
    level[40:80, 1:] *= 3
    level[80:100, 1] *= 3
    level[100:120, 2] *= 3
    noise = rng.lognormal(0, 0.7, (N_GENES, len(classes))) * rng.lognormal(0, 0.6, len(classes))
    return level[:, classes] * noise, classes


def consensus(V: Array, n_classes: int, n_runs: int = 20) -> Array:
    """Return the share of runs in which each two samples were in one class."""
    total = np.zeros((V.shape[1], V.shape[1]))
    for seed in range(n_runs):
        labels = factorize(V, n_classes, max_iter=60, rng=seed).H.argmax(axis=0)
        total += labels[:, None] == labels
    return total / n_runs


def main(picture: Path | None) -> None:
    """Find how many classes there are, and which samples are in them."""
    V, classes = simulate(np.random.default_rng(0))
    together, trees = {}, {}
    for n in range(2, 6):
        together[n] = consensus(V, n)
        distances = squareform(1 - together[n], checks=False)
        trees[n] = linkage(distances, "average")
        print(f"{n} classes: cophenetic correlation {cophenet(trees[n], distances)[0]:.3f}")
    labels = fcluster(trees[3], 3, "maxclust") - 1
    print(f"NMF, consensus: {agreement(labels, classes):.0%} of samples in their class")
    for name, logs in (
        ("as they are", np.log(V)),
        ("brought to one level", np.log(V / np.median(V, axis=0))),
    ):
        tree = fcluster(linkage(logs.T, "average"), 3, "maxclust") - 1
        print(
            f"logarithms {name}: k-means {agreement(k_means(logs.T, 3, rng=0), classes):.0%}, "
            f"average linkage {agreement(tree, classes):.0%}"
        )
    if picture is not None:
        with panels(picture, [f"{n} classes" for n in together]) as axes:
            for ax, n in zip(axes, together, strict=True):
                order = leaves_list(trees[n])
                show(ax, together[n][np.ix_(order, order)])


if __name__ == "__main__":
    main(picture_path(__doc__))
