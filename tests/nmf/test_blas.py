"""Results do not depend on how many threads BLAS may have."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from nmf_audio import BlindSeparator, ExampleSeparator, PercussiveSeparator, Separator
from nmf_audio.nmf import (
    NMF,
    OnlineAtoms,
    Penalty,
    activations,
    cluster,
    factorize,
    factorize_penalised,
    factorize_tensor,
    initialize,
    k_means,
    update_H,
    update_W,
)
from nmf_audio.nmf.blas import single_blas

RNG = np.random.default_rng(0)
V, W, H = (RNG.random(shape).astype(np.float32) for shape in ((513, 700), (513, 40), (40, 700)))
Y = RNG.standard_normal(24000).astype(np.float32)


def learn_online() -> object:
    atoms = OnlineAtoms(W)
    atoms.update(V, H)
    return atoms.W


CASES: dict[str, Callable[[], Any]] = {
    "update_H": lambda: update_H(V, W, H),
    "update_W": lambda: update_W(V, W, H),
    "activations": lambda: activations(V, W, n_iter=2),
    "factorize": lambda: factorize(V, 40, max_iter=2, rng=0),
    "factorize, from singular vectors": lambda: factorize(V, 40, init="nndsvda", max_iter=1),
    "initialize": lambda: initialize(V, 40, init="nndsvda"),
    "penalised": lambda: factorize_penalised(V, 40, penalty=Penalty(l1=0.1), max_iter=2, rng=0),
    "tensor": lambda: factorize_tensor(np.stack([V, V[::-1]]), 40, max_iter=2, rng=0),
    "cluster": lambda: cluster(H.T @ H + 1, 9, n_starts=1, rng=0),
    "k_means": lambda: k_means(V[:128], 30, n_starts=1, rng=0),
    "online": learn_online,
    "NMF": lambda: NMF(40, max_iter=2, tol=0, rng=0).fit(V).inverse_transform(H),
    "blind": lambda: BlindSeparator(2).separate(Y, 8000),
    "blind, by place": lambda: BlindSeparator(2, places=True).separate(np.stack([Y, Y[::-1]]), 8000),
    "percussive": lambda: PercussiveSeparator().separate(Y, 8000),
    "example": lambda: ExampleSeparator(0.5, 1.5).separate(Y, 8000),
    "free": lambda: Separator("plain", free=4).separate(Y, 8000),
    "sources": lambda: Separator("plain").separate(Y, 8000),
}


def flatten(result: Any) -> bytes:
    if isinstance(result, dict):
        result = tuple(result.values())
    parts = result if isinstance(result, tuple) else (result,)
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


@pytest.mark.parametrize("case", CASES)
def test_results_are_the_same_with_several_threads(case: str) -> None:
    with single_blas:
        pass  # loads all libraries of BLAS, so that the limits below hold for them, too
    found = []
    for n_threads in (1, 3):
        with threadpool_limits(n_threads, "blas"):
            found.append(flatten(CASES[case]()))
    assert found[0] == found[1]


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_a_decorated_function_runs_with_one_thread_and_leaves_the_others_their_threads() -> None:
    with single_blas:
        pass
    with threadpool_limits(3, "blas"):
        assert single_blas(threads)() == {1}
        assert threads() == {3}


def test_it_holds_in_all_threads_until_the_last_has_left() -> None:
    with single_blas:
        pass
    with threadpool_limits(3, "blas"), ThreadPoolExecutor(1) as other:
        other.submit(single_blas.__enter__).result()
        assert threads() == {1}
        with single_blas:
            other.submit(single_blas.__exit__).result()
            assert threads() == {1}
        assert threads() == {3}
