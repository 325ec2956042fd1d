"""Plain dictionaries describe what they were learned from, the same way every time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.errors import AudioFileError, DictionaryError, ParameterError
from nmf_audio.nmf import activations, beta_divergence
from nmf_audio.training.corpus import Corpus, find_recordings
from nmf_audio.training.frames import analyse, long_term_spectrum, normalised_frames
from nmf_audio.training.merge import merge
from nmf_audio.training.plain import power_of, share_atoms, train_plain
from tests.training.sounds import hiss, small_collection, voice, write

QUICK: dict[str, Any] = {"n_components": 6, "max_iter": 15, "l1_H": 0.0, "rng": 0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return small_collection(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def speech_corpus(folders: tuple[Path, Path]) -> Corpus:
    return find_recordings([folders[0]], sr=16000)


@pytest.fixture(scope="module")
def noise_corpus(folders: tuple[Path, Path]) -> Corpus:
    return find_recordings([folders[1]], sr=16000)


@pytest.fixture(scope="module")
def speech(speech_corpus: Corpus) -> Dictionary:
    return train_plain(speech_corpus, source="speech", one_group="speech", **QUICK)


def misfit(W: Any, corpus: Corpus, spectrum: Any, power: float = 1.0, beta: float = 1.0) -> float:
    """Divergence of a corpus from what atoms can make of it, for each frame."""
    bands = analyse(corpus.clips(), FrontEndSpec())
    frames = normalised_frames(
        bands, spectrum=spectrum, n_frames=10**6, one_group="all", rng=np.random.default_rng(0)
    )
    V = frames["all"].V ** np.float32(power)
    return beta_divergence(V, W @ activations(V, W, beta=beta, n_iter=100), beta) / int(V.shape[1])


def test_speech_is_one_group_and_noise_one_for_each_folder(speech: Dictionary, noise_corpus: Corpus) -> None:
    assert speech.groups == (Group("speech", "speech", 0, 6),)
    noise = train_plain(noise_corpus, source="noise", **QUICK)
    assert [(g.name, g.source) for g in noise.groups] == [(k, "noise") for k in ("fan", "rain", "street")]
    assert noise.n_components("noise") == 6
    for dictionary in (speech, noise):
        np.testing.assert_allclose(np.linalg.norm(dictionary.arrays["W"], axis=0), 1, rtol=1e-5)
        assert dictionary.spectrum.mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("beta", [1.0, 0.0])
def test_atoms_describe_unheard_sound_of_the_same_kind_better_than_of_another(
    tmp_path: Path, speech_corpus: Corpus, noise_corpus: Corpus, beta: float
) -> None:
    spectrum = np.ones(100, np.float32)
    quick = QUICK | {"spectrum": spectrum, "beta": beta}
    W_speech = train_plain(speech_corpus, source="speech", one_group="speech", **quick).arrays["W"]
    W_noise = train_plain(noise_corpus, source="noise", **quick).arrays["W"]
    unheard = {
        "speech": find_recordings([write(tmp_path / "s.wav", voice(2.0, seed=9))], sr=16000),
        "noise": find_recordings([write(tmp_path / "n.wav", hiss(2.0, seed=9, slope=0.5))], sr=16000),
    }
    power = power_of(beta)

    def of(W: Any, what: str) -> float:
        return misfit(W, unheard[what], spectrum, power, beta)

    assert of(W_speech, "speech") < 0.8 * of(W_noise, "speech")
    assert of(W_noise, "noise") < 0.8 * of(W_speech, "noise")


def test_the_same_seed_gives_the_same_bits(noise_corpus: Corpus) -> None:
    first, again = (train_plain(noise_corpus, source="noise", **QUICK).sha256 for _ in range(2))
    other = train_plain(noise_corpus, source="noise", **(QUICK | {"rng": 1})).sha256
    assert first == again != other


def test_level_of_a_recording_does_not_matter(tmp_path: Path) -> None:
    y = hiss(2.0, slope=0.3)
    spectra = []
    for name, gain in (("loud", 1.0), ("quiet", 1 / 32)):
        path = write(tmp_path / f"{name}.wav", y)
        soundfile.write(path, gain * y, 16000, subtype="FLOAT")
        corpus = find_recordings([path], sr=16000)
        spectra.append(train_plain(corpus, source="noise", one_group="n", **QUICK).arrays["W"])
    np.testing.assert_allclose(spectra[0], spectra[1], rtol=2e-3, atol=1e-5)


def test_silence_is_dropped(speech_corpus: Corpus) -> None:
    bands = analyse(speech_corpus.clips(), FrontEndSpec())
    frames = normalised_frames(
        bands,
        spectrum=long_term_spectrum(bands),
        n_frames=10**6,
        one_group="speech",
        rng=np.random.default_rng(0),
    )["speech"]
    n_all = sum(map(len, bands.magnitudes))
    assert 0.55 * n_all < frames.V.shape[1] < 0.75 * n_all
    assert frames.V.mean(axis=0).min() > 0.03


def test_frames_are_drawn_evenly_over_groups(tmp_path: Path) -> None:
    write(tmp_path / "long" / "a.wav", hiss(8.0))
    write(tmp_path / "short" / "a.wav", hiss(1.0))
    bands = analyse(find_recordings([tmp_path], sr=16000).clips(), FrontEndSpec())
    frames = normalised_frames(
        bands, spectrum=np.ones(100, np.float32), n_frames=100, one_group=None, rng=np.random.default_rng(0)
    )
    assert {name: part.V.shape for name, part in frames.items()} == {"long": (100, 50), "short": (100, 50)}


def test_bands_above_a_low_sample_rate_are_unknown_not_zero(tmp_path: Path) -> None:
    write(tmp_path / "a" / "wide.wav", hiss(2.0, seed=0))
    write(tmp_path / "b" / "narrow.wav", hiss(2.0, sr=8000, seed=1), 8000)
    corpus = find_recordings([tmp_path], sr=16000)
    dictionary = train_plain(corpus, source="noise", one_group="hiss", **QUICK)
    W = dictionary.arrays["W"]
    assert (W[85:97].mean(axis=0) > 0.5 * W.mean(axis=0)).all()
    assert dictionary.spectrum[90] / dictionary.spectrum[70] > 0.8


def test_kinds_that_are_harder_to_describe_get_more_atoms(tmp_path: Path) -> None:
    write(tmp_path / "plain" / "a.wav", hiss(3.0))
    write(tmp_path / "rich" / "a.wav", voice(3.0) + voice(3.0, seed=1) + voice(3.0, seed=2))
    corpus = find_recordings([tmp_path], sr=16000)
    dictionary = train_plain(corpus, source="noise", **(QUICK | {"n_components": 12}))
    counts = {g.name: g.stop - g.start for g in dictionary.groups}
    assert counts["rich"] > counts["plain"] >= 1


def test_the_default_number_of_atoms_grows_with_the_kinds(noise_corpus: Corpus) -> None:
    quick: dict[str, Any] = {"max_iter": 1, "rng": 0}
    assert train_plain(noise_corpus, source="noise", **quick).n_components("noise") == 9
    assert train_plain(noise_corpus, source="noise", one_group="all", **quick).n_components("noise") == 128


def test_share_atoms_keeps_its_promises() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n_groups = int(rng.integers(1, 8))
        available = rng.integers(1, 20, n_groups).tolist()
        n = int(rng.integers(n_groups, 60))
        counts = share_atoms(rng.random(n_groups).tolist(), available, n)
        assert sum(counts) == min(n, sum(available))
        assert all(1 <= count <= most for count, most in zip(counts, available, strict=True))


def test_progress_goes_from_nothing_to_everything(noise_corpus: Corpus) -> None:
    told: list[tuple[float, float]] = []
    train_plain(
        noise_corpus,
        source="noise",
        progress=lambda done, total: told.append((done, total)),
        **(QUICK | {"max_iter": 20}),
    )
    done = [a for a, _ in told]
    assert {b for _, b in told} == {100.0}
    assert done == sorted(done)
    assert done[0] < 40
    assert done[-1] == pytest.approx(100)


def test_sparsity_is_bought_with_fit(speech_corpus: Corpus, speech: Dictionary) -> None:
    sparse = train_plain(speech_corpus, source="speech", one_group="speech", **(QUICK | {"l1_H": 5.0}))
    spectrum = speech.spectrum
    assert misfit(sparse.arrays["W"], speech_corpus, spectrum) > misfit(
        speech.arrays["W"], speech_corpus, spectrum
    )


def test_provenance_is_stored(speech: Dictionary, speech_corpus: Corpus) -> None:
    (training,) = speech.meta["training"]
    assert training["seed"] == 0
    assert training["n_components"] == 6
    assert training["seconds"] == pytest.approx(speech_corpus.seconds, abs=0.1)
    (row,) = speech.meta["trained_on"]
    assert (row["source"], row["recordings"], row["licence"]) == ("speech", 2, "not stated")


def test_arguments_are_checked(tmp_path: Path, noise_corpus: Corpus) -> None:
    for wrong, message in (
        ({"n_components": 0}, "n_components=0"),
        ({"n_components": 2}, "must be at least 3, one atom for each folder"),
        ({"beta": -1.0}, "beta=-1.0"),
        ({"l1_H": -0.1}, "l1_H=-0.1"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"max_seconds": 0.0}, "max_seconds=0"),
        ({"n_components": 10_000}, "at most .* frames with sound"),
    ):
        with pytest.raises(ParameterError, match=message):
            train_plain(noise_corpus, source="noise", **(QUICK | wrong))
    with pytest.raises(ParameterError, match="corpus at 8000 Hz; must be found for 16000 Hz"):
        train_plain(Corpus(noise_corpus.recordings, 8000), source="noise", **QUICK)
    silent = find_recordings([write(tmp_path / "silent.wav", np.zeros(16000, np.float32))], sr=16000)
    with pytest.raises(AudioFileError, match="silent"):
        train_plain(silent, source="noise", **QUICK)


@pytest.mark.parametrize("power", [1, 2])
def test_merge_keeps_what_each_dictionary_describes(
    speech: Dictionary, noise_corpus: Corpus, power: int
) -> None:
    noise = train_plain(noise_corpus, source="noise", **QUICK)
    if power == 2:
        noise, speech = (replace(one, beta=0.0, power=2.0) for one in (noise, speech))
    both = merge(noise, speech)
    assert both.sources == ("speech", "noise")
    np.testing.assert_array_equal(both.spectrum, noise.spectrum)
    np.testing.assert_array_equal(both.columns("noise"), noise.columns("noise"))
    spectra = both.columns("speech") * both.spectrum[:, None] ** power
    expected = speech.columns("speech") * speech.spectrum[:, None] ** power
    np.testing.assert_allclose(
        spectra / np.linalg.norm(spectra, axis=0), expected / np.linalg.norm(expected, axis=0), atol=1e-5
    )
    assert [row["source"] for row in both.meta["trained_on"]] == ["speech", "noise"]


def test_merge_replaces_groups_of_the_same_name_or_the_whole_source(noise_corpus: Corpus) -> None:
    old = train_plain(noise_corpus, source="noise", **QUICK)
    rain = Corpus(noise_corpus.groups["rain"], 16000)
    new = train_plain(rain, source="noise", **(QUICK | {"n_components": 2}))
    added = merge(new, old)
    assert [g.name for g in added.groups] == ["fan", "rain", "street"]
    start = added.groups[1].start
    np.testing.assert_array_equal(added.arrays["W"][:, start : start + 2], new.arrays["W"])
    assert [g.name for g in merge(new, old, replace=True).groups] == ["rain"]


def test_merge_refuses_what_does_not_fit(speech: Dictionary, noise_corpus: Corpus) -> None:
    other = train_plain(noise_corpus, source="noise", **(QUICK | {"beta": 0.0}))
    with pytest.raises(DictionaryError, match="train both alike"):
        merge(speech, other)
