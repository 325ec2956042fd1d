"""Recommendations from ratings, kept up to date while new users come.

A user's ratings are a mixture of a few tastes; what has not been rated has no weight, so that it does not count as a
rating of 0. S. Zhang, W. Wang, J. Ford, F. Makedon, "Learning from incomplete ratings using non-negative matrix
factorization", SDM 2006. Users that come later change the tastes batch by batch, without the ratings of the earlier
ones: A. Lefevre, F. Bach, C. Fevotte, "Online algorithms for nonnegative matrix factorization with the Itakura-Saito
divergence", WASPAA 2011, with squares.

    python demos/gallery/recommendations.py -o ratings.png

Simulated: 200 films, 1200 users with four tastes, 12 % of all rated from 1 to 5; what a taste likes drifts.
"""

from pathlib import Path

import numpy as np
from common import Array, panels, picture_path

from nmf_audio.nmf import NMF

N_FILMS, N_USERS, N_TASTES, BATCH = 200, 1200, 4, 100


def simulate(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return ratings (films, users), and which of them are known."""
    first, last = rng.gamma(0.6, 1, (2, N_FILMS, N_TASTES))
    time = np.linspace(0, 1, N_USERS)
    tastes = rng.dirichlet(np.full(N_TASTES, 0.4), N_USERS).T
    liking = (first @ tastes) * (1 - time) + (0.5 * first + 0.5 * last) @ tastes * time
    rating = 1 + 4 * liking / (liking + np.median(liking))
    rating = np.clip(np.rint(rating + rng.normal(0, 0.4, rating.shape)), 1, 5)
    return rating, rng.random(rating.shape) < 0.12


def means(R: Array, known: Array, new: slice) -> Array:
    """Return a prediction from the mean of all, of each film and of each user, drawn towards that of all."""
    seen = slice(0, new.start)
    mean = R[:, seen][known[:, seen]].mean()
    left = np.where(known, R - mean, 0)
    of_film = (left[:, seen].sum(axis=1) / (known[:, seen].sum(axis=1) + 5))[:, None]
    left = np.where(known, left - of_film, 0)[:, new]
    return np.asarray(mean + of_film + left.sum(axis=0) / (known[:, new].sum(axis=0) + 5))


def main(picture: Path | None) -> None:
    """Learn from the first users, then predict each batch of new ones before it is learned from."""
    R, known = simulate(np.random.default_rng(0))
    first = slice(0, 4 * BATCH)

    def learn(seen: slice) -> NMF:
        return NMF(N_TASTES, beta=2, tol=0, max_iter=200, rng=0).fit(R[:, seen], weights=known[:, seen])

    once, online = learn(first), learn(first)
    errors: dict[str, list[float]] = {}
    for start in range(first.stop, N_USERS, BATCH):
        new, anew = slice(start, start + BATCH), learn(slice(0, start))
        models = {"learned once": once, "updated online": online, "learned anew from all": anew}
        predicted = {"means of films and users": means(R, known, new)}
        for name, model in models.items():
            predicted[name] = model.W_ @ model.transform(R[:, new], weights=known[:, new])
        for name, P in predicted.items():
            wrong = (np.clip(P, 1, 5) - R[:, new])[~known[:, new]]
            errors.setdefault(name, []).append(float(np.sqrt((wrong**2).mean())))
        online.partial_fit(R[:, new], weights=known[:, new])
    for name, e in errors.items():
        print(f"{name:24}  error (RMS) {e[0]:.3f} for the first new users, {e[-1]:.3f} for the last")
    if picture is not None:
        with panels(picture, ["ratings predicted for new users"]) as (ax,):
            for name, e in errors.items():
                ax.plot(np.arange(first.stop, N_USERS, BATCH) + BATCH, e, label=name)
            ax.set(xlabel="users", ylabel="error (RMS)")
            ax.legend(frameon=False)


if __name__ == "__main__":
    main(picture_path(__doc__))
