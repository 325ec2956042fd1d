"""Training a separator: right gradients, a score that rises, the same bits, and a dictionary that separates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import Denoiser, Dictionary, DictionaryError, ParameterError, Separator, load_dictionary
from nmf_audio.cli.main import main
from nmf_audio.metrics import si_sdr
from nmf_audio.nmf.unrolled_constants import EPS, STEP_FLOOR
from nmf_audio.nmf.unrolled_sources import UnrolledSources
from nmf_audio.training.loop import Progress
from nmf_audio.training.separator import (
    SeparatorSettings,
    SeparatorTraining,
    SourceClips,
    train_separator,
)
from nmf_audio.training.separator_network import SeparatorNetwork
from nmf_audio.training.separator_parameters import initial_separator, separator_arrays
from nmf_audio.training.source_mixing import SourceMixer, halve
from tests.separation.material import HIGH, LOW, melody
from tests.training.sounds import quick_training as quick_training

SMALL = SeparatorSettings(n_components=6, n_layers=2, n_steps=30, batch_size=4, seconds=1.0)
SIZES = (4, 3, 2)


def _clips(seconds: float = 6.0) -> SourceClips:
    pitches = {"low": LOW, "high": HIGH, "between": (400.0, 440.0)}
    clips = {name: [melody(p, seconds, seed=i)] for i, (name, p) in enumerate(pitches.items())}
    return SourceClips(*halve(clips, 0.2), [])


def _free(dtype: npt.DTypeLike = np.float32) -> dict[str, npt.NDArray[np.floating]]:
    rng = np.random.default_rng(0)
    free = initial_separator([rng.random((7, n)) for n in SIZES], n_layers=3, rng=1)
    free["residual"] += 0.3 * rng.standard_normal(free["residual"].shape).astype(np.float32)
    return {name: x.astype(dtype) for name, x in free.items()}


def test_gradients_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    free = _free(np.float64)
    network = SeparatorNetwork(free, SIZES)
    V, weight = rng.random((2, 6, 7)) + 0.01, rng.standard_normal((3, 2, 6, 7))

    def value() -> float:
        return float((network.forward(V) * weight).sum())

    value()
    gradients = network.backward(weight)
    for name, x in free.items():
        direction, before = rng.standard_normal(x.shape), x.copy()
        ends = []
        for sign in (1, -1):
            x[...] = before + sign * 1e-6 * direction
            ends.append(value())
        x[...] = before
        slope = float((gradients[name] * direction).sum())
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8), name


def test_backward_without_forward_is_refused() -> None:
    with pytest.raises(ParameterError, match="needs the masks of a forward pass"):
        SeparatorNetwork(_free(), SIZES).backward(np.zeros((3, 1, 1, 7)))


def test_inference_is_what_was_trained_and_what_the_equations_say() -> None:
    V = np.random.default_rng(0).random((9, 7), np.float32) + np.float32(0.01)
    free = _free()
    arrays = separator_arrays(free)
    spectra, masks, H = UnrolledSources(arrays, sizes=SIZES, n_observed=7).process(V, 1e-4)
    trained = SeparatorNetwork(free, SIZES).forward(V[None])
    np.testing.assert_allclose(masks, trained[:, 0], atol=1e-5)
    # the equations of the module, letter by letter
    last = slow = arrays["b"]
    for t, v in enumerate(V):
        memory = np.concatenate([last, slow])
        h, d = arrays["A"] @ memory + arrays["b"], arrays["C"] @ memory
        for W, lam, g in zip(arrays["W"], arrays["lam"], arrays["g"], strict=True):
            h = h * (W.T @ (v / (W @ h + EPS)) / (W.sum(axis=0) + lam + d) + STEP_FLOOR) ** g
        last, slow = h, arrays["slow_rate"] * slow + (1 - arrays["slow_rate"]) * h
        np.testing.assert_allclose(H[t], h, rtol=1e-4)
        parts = np.split(np.arange(9), np.cumsum(SIZES)[:-1])
        S = np.stack(
            [
                arrays["W_out"][:, part] @ h[part] + floor
                for part, floor in zip(parts, arrays["out_floor"], strict=True)
            ]
        )
        np.testing.assert_allclose(spectra[:, t], S, rtol=1e-4)
        odds = (S * ((v + 1e-4) / S.sum(axis=0)) ** arrays["residual"]) ** arrays["p"]
        np.testing.assert_allclose(masks[:, t], odds / odds.sum(axis=0), atol=1e-5)


def test_mixtures_are_the_sum_of_their_sources_and_never_silent() -> None:
    rng = np.random.default_rng(0)
    mixer = SourceMixer(_clips().learned, n_samples=4000, sr=16000, rng=rng)
    batch = mixer.batch(200)
    np.testing.assert_allclose(batch.sources.sum(axis=0), batch.mixture, atol=1e-5)
    np.testing.assert_array_equal(batch.present, batch.sources.any(axis=2))
    assert batch.present.any(axis=0).all()
    assert 0.03 < 1 - batch.present.mean() < 0.2
    with pytest.raises(ParameterError, match="clips of a; must be of two sources or more"):
        SourceMixer({"a": [np.ones(9, np.float32)]}, n_samples=9, sr=16000, rng=rng)
    with pytest.raises(ParameterError, match="the recordings of source 'b' are silent; must be"):
        SourceMixer(
            {"a": [np.ones(9, np.float32)], "b": [np.zeros(9, np.float32)]}, n_samples=9, sr=16000, rng=rng
        )


@pytest.mark.slow
def test_training_raises_the_score_and_the_dictionary_separates(tmp_path: Path) -> None:
    clips = _clips()
    before = SeparatorTraining(clips, SMALL).score()
    told: list[Progress] = []
    trained = train_separator(clips, SMALL, progress=told.append, checkpoint_steps=15)
    assert [now.step for now in told] == list(range(1, 31))
    score = told[-1].score
    assert score is not None
    assert score["sdr"] > before["sdr"]
    assert score["loss"] < before["loss"]
    trained.save(tmp_path / "three.npz")
    loaded = Dictionary.load(tmp_path / "three.npz")
    assert loaded.sources == ("low", "high", "between")
    sources = {
        "low": melody(LOW, 3.0, seed=7),
        "high": melody(HIGH, 3.0, seed=8),
        "between": melody((400.0, 440.0), 3.0, seed=9),
    }
    y = np.sum(list(sources.values()), axis=0)
    parts = Separator(loaded).separate(y, 16000)
    for name, source in sources.items():
        assert si_sdr(source, parts[name]) > si_sdr(source, y) + 5
    with pytest.raises(DictionaryError, match="denoises nothing; use it to separate"):
        Denoiser(loaded)
    with pytest.raises(ParameterError, match="free=3; must be left out beside"):
        Separator(loaded, free=3)


@pytest.fixture(scope="module")
def trained() -> Dictionary:
    return train_separator(_clips(3.0), replace(SMALL, n_steps=2, seconds=0.5, batch_size=2))


@pytest.mark.parametrize(("sr", "n_channels"), [(8000, 1), (16000, 2), (48000, 2)])
def test_a_separator_streams_at_any_rate_and_cut(trained: Dictionary, sr: int, n_channels: int) -> None:
    rng = np.random.default_rng(0)
    y = 0.1 * rng.standard_normal((n_channels, sr // 2), np.float32)
    separator = Separator(trained)
    whole = separator.separate(y, sr)
    np.testing.assert_allclose(sum(whole.values()), y, atol=1e-7)
    stream = separator.stream(sr, n_channels)
    parts = [stream.process(block) for block in np.split(y, [1, 17, 526, 3000], axis=1)]
    parts.append(stream.flush())
    for name, part in whole.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts], axis=1), part)
    gain = np.float32(10 ** (-30 / 20))
    quiet = separator.separate(gain * y, sr)
    for name in trained.sources:
        np.testing.assert_allclose(quiet[name] / gain, whole[name], atol=1e-5)


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    clips, checkpoint = _clips(3.0), tmp_path / "state"
    settings = replace(SMALL, n_steps=6, seconds=0.5, batch_size=2)
    whole = train_separator(clips, settings)
    steps: list[int] = []

    class StopError(Exception):
        pass

    def stop(now: Progress) -> None:
        steps.append(now.step)
        if now.step == 4:
            raise StopError

    with pytest.raises(StopError):
        train_separator(clips, settings, checkpoint=checkpoint, checkpoint_steps=3, progress=stop)
    again = train_separator(clips, settings, checkpoint=checkpoint, resume=True)
    assert again.sha256 == whole.sha256
    with pytest.raises(ParameterError, match="its recordings differ"):
        train_separator(_clips(2.0), settings, checkpoint=checkpoint, resume=True)


def test_training_goes_on_from_a_separator_of_the_same_sources(trained: Dictionary, tmp_path: Path) -> None:
    clips = _clips(3.0)
    turned = clips._replace(learned=dict(reversed(clips.learned.items())))
    settings = replace(SMALL, n_steps=2, seconds=0.5, batch_size=2, n_components=99)
    training = SeparatorTraining(turned, settings, start=trained)
    same = training.dictionary()
    assert same.groups == trained.groups, "the order and the sizes are those of the start"
    for name, x in trained.arrays.items():
        np.testing.assert_allclose(same.arrays[name], x, rtol=1e-4, atol=1e-6, err_msg=name)
    assert same.meta["separator"]["held_out"]["loss"] == pytest.approx(
        trained.meta["separator"]["held_out"]["loss"], rel=1e-4
    ), "the same sources are heard under the same names"
    further = train_separator(turned, settings, start=trained, checkpoint=tmp_path / "state")
    assert further.sha256 != trained.sha256
    with pytest.raises(ParameterError, match="its first atoms differ"):
        train_separator(turned, settings, checkpoint=tmp_path / "state", resume=True)
    two = {name: clips.learned[name] for name in ("low", "high")}
    with pytest.raises(
        ParameterError, match="has the sources low, high, between; must be of the same sources"
    ):
        SeparatorTraining(clips._replace(learned=two), settings, start=trained)
    with pytest.raises(ParameterError, match="must be a separator dictionary; leave it out"):
        SeparatorTraining(clips, settings, start=load_dictionary("plain"))


def test_files_that_are_no_separators_are_refused(trained: Dictionary) -> None:
    for name, value, message in (
        ("W", trained.arrays["W"] * 2, "columns of W do not sum to 1"),
        ("g", trained.arrays["g"] + 2, "'g' has values that are not below 2"),
        ("out_floor", trained.arrays["out_floor"][:2], "'out_floor' has shape"),
        ("A", -trained.arrays["A"], "'A' has negative values"),
        ("p", None, "lacks the arrays"),
    ):
        arrays = dict(trained.arrays)
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
        with pytest.raises(DictionaryError, match=message):
            Dictionary("separator", trained.spec, trained.spectrum.copy(), arrays, trained.groups)


def test_the_command_trains_what_separate_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, pitches in (("low", LOW), ("high", HIGH)):
        Path(name).mkdir()
        soundfile.write(f"{name}/a.wav", melody(pitches, 4.0), 16000)
    small = ("--atoms", "6", "--layers", "2", "--steps", "2")
    assert main(["train", "separator", "low=low", "high=high/a.wav", "-o", "two.npz", *small]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "reading the recordings"
    assert out[1].startswith("step 2 of 2: held out: loss ")
    assert out[2].startswith("two.npz: trained in ")
    # on held-out mixtures it stands beside the mixture as it is, on the terminal and in the card
    names = [line.split()[0] for line in out[-3:]]
    assert names == ["held-out", "mixture", "two"]
    card = Path("two.md").read_text()
    assert f"| two | {out[-1].split()[1]} |" in card
    assert "nmf-audio train separator low=low high=high/a.wav -o two.npz" in card
    soundfile.write("mix.wav", melody(LOW, 1.0) + melody(HIGH, 1.0), 16000)
    assert main(["separate", "mix.wav", "--sources", "two.npz", "-q"]) == 0
    assert sorted(path.name for path in Path().glob("mix.*")) == ["mix.high.wav", "mix.low.wav", "mix.wav"]
    further = ("train", "separator", "low=low", "high=high/a.wav", "-o", "further.npz", "--from", "two.npz")
    assert main([*further, "--steps", "1", "-q"]) == 0
    made = load_dictionary("further.npz")
    assert made.sources == ("low", "high")
    assert made.sha256 != load_dictionary("two.npz").sha256
    first, second = made.meta["commands"]
    assert "--steps 2" in first
    assert second.endswith("-o further.npz --from two.npz --steps 1")
    capsys.readouterr()
    assert main([*further[:3], "other=low", *further[3:], "--atoms", "9", "--force"]) == 2
    faults = capsys.readouterr().err
    assert "--from two.npz: has the sources low, high; give recordings of these" in faults
    assert "--atoms: --from has its own sizes" in faults
    assert main([*further[:-1], "plain", "--force"]) == 2
    assert "only a separator can be trained further" in capsys.readouterr().err
    assert main([*further[:-3], "two.npz", "--from", "two.npz", "--force"]) == 2
    assert "two.npz" in capsys.readouterr().err
    words = [
        "train",
        "separator",
        "low",
        "a/b=low",
        "none=no",
        "-o",
        "two.npz",
        "--steps",
        "0",
        "--minutes",
        "1",
    ]
    assert main(words) == 2
    faults = "\n".join(capsys.readouterr().err.splitlines())
    for part in (
        "low: must be NAME=PATH",
        "a/b=low: NAME a/b: must be a name of letters, digits",
        "no: does not exist",
        "--steps 0: must be a whole number from 1",
        "--minutes and --steps do not go together",
        "two.checkpoint: exists; --resume continues from it and replaces two.npz and its card",
    ):
        assert part in faults, part
    assert main(["train", "separator", "low=low", "-o", "one.npz"]) == 2
    assert "at least two are needed" in capsys.readouterr().err
