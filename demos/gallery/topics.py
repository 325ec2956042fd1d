"""Topics of texts, and topics within topics.

If each topic has a word that hardly occurs without it, its anchor, the words that occur with anchors are the topics,
and no search is needed: S. Arora et al., "A practical algorithm for topic modeling with provable guarantees",
ICML 2013. Here they are the start of NMF. Each topic's texts are divided in two by NMF with two atoms: D. Kuang, H.
Park, "Fast rank-2 nonnegative matrix factorization for hierarchical document clustering", KDD 2013.

    python demos/gallery/topics.py -o topics.png

Texts: what scipy's functions say of themselves; the true topics are the parts of scipy that they belong to.
"""

import importlib
import re
from pathlib import Path

import numpy as np
from common import Array, agreement, panels, picture_path

from nmf_audio.nmf import Factorization, factorize, find_anchors, k_means, nnls

PARTS = ["linalg", "sparse.linalg", "signal", "ndimage", "stats", "stats.distributions"]  # two of each field


def read_texts() -> tuple[Array, list[str], Array]:
    """Return log(1 + count) of words (words, texts), neither rare nor everywhere; the words; each text's part."""
    texts: dict[str, int] = {}
    for i, part in enumerate(PARTS):
        module = importlib.import_module(f"scipy.{part}")
        for thing in (getattr(module, name) for name in module.__all__):
            text, is_distribution = thing.__doc__ or "", hasattr(thing, "pdf") or hasattr(thing, "pmf")
            if len(text) > 400 and is_distribution == (part == "stats.distributions"):
                texts.setdefault(text, i)
    words = [re.findall(r"[a-z]{3,}", text.lower()) for text in texts]
    everything, rows = np.unique(np.concatenate(words), return_inverse=True)
    counts = np.zeros((len(everything), len(texts)))
    np.add.at(counts, (rows, np.repeat(np.arange(len(texts)), [len(text) for text in words])), 1)
    n_texts = (counts > 0).sum(axis=1)
    kept = (n_texts >= 10) & (n_texts <= 0.3 * len(texts))
    return np.log1p(counts[kept]), everything[kept].tolist(), np.array(list(texts.values()))


def start_from_anchors(V: Array, n: int) -> Array:
    """Return topics: the chance of a topic, given a word, is its share in what occurs together with the word."""
    P = V / V.sum(axis=0)
    together = P @ P.T
    frequent = np.flatnonzero((V > 0).mean(axis=1) > 0.09)
    anchors = frequent[find_anchors(together[:, frequent], n)]
    near = together / together.sum(axis=0)
    return np.asarray((nnls(near, near[:, anchors]) * together.sum(axis=0)).T)


def topic_of(run: Factorization) -> Array:
    """Return the topic that has the most of each text."""
    return np.asarray(run.normalized().H.argmax(axis=0))


def main(picture: Path | None) -> None:
    """Find three topics, divide each in two, compare."""
    V, words, part = read_texts()
    run = factorize(V, W=start_from_anchors(V, 3), max_iter=300)
    fields, halves = topic_of(run), np.empty_like(part)
    for k in range(3):
        split = factorize(V[:, fields == k], 2, init="nndsvda", max_iter=300)
        halves[fields == k] = 2 * k + topic_of(split)
        for name, w in zip(("topic", "  part", "  part"), (run.W[:, k], *split.W.T), strict=True):
            print(f"{name}: " + " ".join(words[i] for i in np.argsort(-w)[:7]))
    tfidf = V * -np.log((V > 0).mean(axis=1, keepdims=True))
    for n, true, found in ((3, part // 2, fields), (6, part, halves)):
        random = np.mean([agreement(topic_of(factorize(V, n, max_iter=300, rng=i)), true) for i in range(4)])
        clusters = agreement(k_means((tfidf / np.linalg.norm(tfidf, axis=0)).T, n, n_starts=5, rng=0), true)
        print(f"{n} topics: {agreement(found, true):.0%}, random starts {random:.0%}, k-means {clusters:.0%}")
    if picture is not None:
        with panels(picture, ["texts of each part in the topics found"], height=3) as (ax,):
            ax.imshow([[np.sum(halves[part == i] == j) for j in range(6)] for i in range(6)], cmap="Blues")
            ax.set_yticks(range(6), PARTS)


if __name__ == "__main__":
    main(picture_path(__doc__))
