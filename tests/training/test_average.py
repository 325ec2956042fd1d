"""Means of trained dictionaries: what they are, what fits together, and what sharpness does to masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmf_audio.cli.main import main
from nmf_audio.decompose import make_decomposition
from nmf_audio.dictionary import Dictionary, load_dictionary
from nmf_audio.errors import ParameterError
from nmf_audio.training.average import average_denoisers
from nmf_audio.training.parameters import from_arrays, to_arrays


@pytest.fixture(scope="module")
def best() -> Dictionary:
    return load_dictionary("best")


def origin(name: str) -> dict[str, object]:
    return {"source": "speech", "origin": name, "licence": "CC0", "recordings": 1, "seconds": 60.0}


def moved(dictionary: Dictionary, by: float, name: str) -> Dictionary:
    """A dictionary whose free variables all differ by random amounts."""
    rng = np.random.default_rng(1)
    free = from_arrays(dictionary.arrays)
    free = {k: np.asarray(x + by * rng.standard_normal(x.shape), np.float32) for k, x in free.items()}
    return replace(dictionary, arrays=to_arrays(free), name=name, meta={"trained_on": [origin(name)]})


def mask_logit(dictionary: Dictionary) -> np.ndarray:
    """Of the first frame: later ones depend on masks themselves, through the running averages."""
    v = np.random.default_rng(0).gamma(0.7, 1.5, (dictionary.spec.n_bands, 1)).astype(np.float32)
    m = make_decomposition("trained", dictionary, len(v)).process(v).masks.astype(np.float64)
    logit: np.ndarray = np.log(m[0] / m[1])
    return logit


def test_the_mean_of_one_is_itself(best: Dictionary) -> None:
    for name, x in average_denoisers([best]).arrays.items():
        np.testing.assert_allclose(x, best.arrays[name], rtol=1e-3, atol=1e-6, err_msg=name)


def test_two_that_lie_on_either_side_have_the_middle(best: Dictionary) -> None:
    left, right = moved(best, 0.01, "left"), moved(best, -0.01, "right")
    mean = average_denoisers([left, right])
    for name, x in mean.arrays.items():
        np.testing.assert_allclose(x, best.arrays[name], rtol=2e-3, atol=1e-5, err_msg=name)
    assert mean.meta["trained_on"] == [origin("left"), origin("right")]
    assert mean.meta["averaged"] == {"dictionaries": [left.sha256, right.sha256], "sharpness": 1.0}


@pytest.mark.parametrize("name", ["best", "trained"])
def test_sharpness_multiplies_the_logit_of_the_mask(name: str) -> None:
    dictionary = load_dictionary(name)
    plain, sharp = (mask_logit(average_denoisers([dictionary], sharpness=s)) for s in (1.0, 1.5))
    assert np.abs(plain).max() > 1
    clear = np.abs(plain) < 5
    np.testing.assert_allclose(sharp[clear], 1.5 * plain[clear], rtol=1e-2, atol=1e-3)


def test_what_does_not_fit_is_refused(best: Dictionary) -> None:
    other_spectrum = replace(best, spectrum=np.roll(best.spectrum, 1))
    for others in ([load_dictionary("trained")], [other_spectrum], [load_dictionary("plain")]):
        with pytest.raises(ParameterError, match="does not fit"):
            average_denoisers([best, *others])
    with pytest.raises(ParameterError, match="at least one"):
        average_denoisers([])
    with pytest.raises(ParameterError, match=r"sharpness=3; .*0\.5 to 2"):
        average_denoisers([best], sharpness=3)


def test_the_command(best: Dictionary, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, target = tmp_path / "other.npz", tmp_path / "mean.npz"
    moved(best, 0.01, "other").save(other)
    words = ["train", "average", "best", str(other), "-o", str(target)]
    assert main([*words, "--sharpness", "1.2", "--licence", "CC0"]) == 0
    mean = Dictionary.load(target)
    assert mean.sha256 == average_denoisers([best, Dictionary.load(other)], sharpness=1.2).sha256
    card = target.with_suffix(".md").read_text(encoding="utf-8")
    assert "train average best" in card
    assert "--sharpness 1.2" in card
    assert "CC0" in card
    assert main(words) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["train", "average", "plain", "-o", str(tmp_path / "x.npz")]) == 2
    assert "only trained ones" in capsys.readouterr().err
    assert not (tmp_path / "x.npz").exists()
