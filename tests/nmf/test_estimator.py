"""The estimator of scikit-learn: its own checks, pipelines, searches, librosa."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from nmf_audio.nmf import beta_divergence, factorize
from nmf_audio.nmf.estimator import NMFEstimator

X = np.random.default_rng(0).random((15, 3)) @ np.random.default_rng(1).random((3, 6))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn_pass() -> None:
    check_estimator(NMFEstimator())


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_it_is_factorize_of_the_transpose(beta: float) -> None:
    model = NMFEstimator(3, beta=beta, max_iter=400, tol=0, random_state=0)
    T = model.fit_transform(X)
    assert model.reconstruction_err_ == pytest.approx(
        beta_divergence(X, T @ model.components_, beta), abs=1e-4
    )
    assert_allclose(model.inverse_transform(T), X, atol=2e-2)
    assert_allclose(model.transform(X[3:4]), T[3:4], atol=1e-6)
    assert_allclose(model.transform(csr_array(X)), T)
    assert model.score(X) == pytest.approx(-model.reconstruction_err_ / X.size, abs=1e-5)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    W = factorize(X.T, 3, beta, max_iter=400, tol=0, rng=seed).W
    assert_array_equal(model.components_, W.T)


def test_warns_where_it_did_not_converge() -> None:
    with pytest.warns(ConvergenceWarning, match="max_iter=10 was reached before tol=1e-09"):
        NMFEstimator(2, max_iter=10, tol=1e-9, random_state=0).fit(X)
    with pytest.raises(ValueError, match="Negative values"):
        NMFEstimator(2).fit(-X)
    with pytest.raises(ValueError, match="solver='hals' and beta=1"):
        NMFEstimator(2, solver="hals", beta=1).fit(X)


def test_it_works_in_pipelines_and_searches() -> None:
    search = GridSearchCV(
        make_pipeline(MinMaxScaler(clip=True), NMFEstimator(max_iter=50, tol=0, random_state=0)),
        {"nmfestimator__n_components": [1, 3]},
        cv=3,
    ).fit(X)
    assert search.best_params_ == {"nmfestimator__n_components": 3}
    again = clone(search.best_estimator_)
    assert again[-1].get_params() == search.best_estimator_[-1].get_params()
    names = search.best_estimator_[-1].get_feature_names_out().tolist()
    assert names == ["nmfestimator0", "nmfestimator1", "nmfestimator2"]


def test_names_of_columns_are_kept() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    assert NMFEstimator(2, tol=0, max_iter=5).fit(frame).feature_names_in_.tolist() == list("abcdef")


def test_librosa_takes_it() -> None:
    decompose = importlib.import_module("librosa").decompose.decompose
    model = NMFEstimator(3, max_iter=300, tol=0, random_state=0)
    components, shares = decompose(X.T, transformer=model)
    assert_allclose(components @ shares, X.T, atol=2e-2)
