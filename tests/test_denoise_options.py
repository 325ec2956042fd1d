"""What the command offers, functions do: channels, presets, the removed part, noise as an array, one file or many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt_testing
import pytest
import soundfile

from nmf_audio import Denoiser, ParameterError, denoise, denoise_file, denoise_files, explain
from nmf_audio.defaults import PRESETS, STRENGTHS
from nmf_audio.dictionary import Dictionary
from tests.tiny import SR, tiny_dictionary, write_noise
from tests.tiny import noise as tiny_noise


def noise(seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return tiny_noise(seconds)[:, 0]


TWO = np.stack([noise(1.0), 0.1 * noise(1.0)[::-1]])


def test_independent_channels_are_each_denoised_alone() -> None:
    denoiser = Denoiser(tiny_dictionary(), channels="independent")
    alone = np.stack([Denoiser(tiny_dictionary()).denoise(y, SR) for y in TWO])
    npt_testing.assert_array_equal(denoiser.denoise(TWO, SR), alone)
    npt_testing.assert_array_equal(
        denoise(TWO, SR, dictionary=tiny_dictionary(), channels="independent"), alone
    )
    assert not np.array_equal(Denoiser(tiny_dictionary()).denoise(TWO, SR), alone)
    stream = denoiser.stream(SR, 2)
    stream.prime(beginning=TWO)
    blocks = [stream.process(TWO[:, i : i + 777]) for i in range(0, TWO.shape[1], 777)]
    npt_testing.assert_array_equal(np.concatenate([*blocks, stream.flush()], axis=1), alone)
    assert denoiser.denoise(TWO[0], SR).shape == TWO[0].shape


def test_a_block_of_independent_channels_is_taken_whole_or_not_at_all() -> None:
    stream = Denoiser(tiny_dictionary(), channels="independent").stream(SR, 2)
    broken = TWO[:, :1000].copy()
    broken[1, 7] = np.nan
    with pytest.raises(ParameterError, match="block: sample 7 of channel 2 is NaN"):
        stream.process(broken)
    again = np.concatenate([stream.process(TWO), stream.flush()], axis=1)
    fresh = Denoiser(tiny_dictionary(), channels="independent").denoise(TWO, SR, warm_up=0)
    npt_testing.assert_array_equal(again, fresh)


def test_noise_reaches_each_channel() -> None:
    denoiser = Denoiser("plain", method="adaptive", channels="independent")
    heard = np.stack([noise(1.0), 3 * noise(1.0)])
    each = [Denoiser("plain", method="adaptive").denoise(TWO[i], SR, noise=heard[i]) for i in range(2)]
    npt_testing.assert_array_equal(denoiser.denoise(TWO, SR, noise=heard), np.stack(each))
    stream = denoiser.stream(SR, 2)
    stream.prime(heard, beginning=TWO)
    for _ in range(2):
        npt_testing.assert_array_equal(np.concatenate([stream.process(TWO), stream.flush()], axis=1), each)


@pytest.mark.parametrize("wrong", [[0.0], np.zeros((3, 10), np.float32), np.full(9, np.nan)], ids=str)
def test_wrong_noise_is_called_noise(wrong: Any, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 0.2)
    for channels in ("linked", "independent"):
        with pytest.raises(ParameterError, match=r"^noise"):
            denoise(TWO, SR, dictionary=tiny_dictionary(), channels=channels, noise=wrong)
    with pytest.raises(ParameterError, match=r"^noise"):
        denoise_file(tmp_path / "a.wav", dictionary=tiny_dictionary(), noise=wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_preset_stands_for_what_is_not_given() -> None:
    assert set(PRESETS) == {"speech", "podcast", "call", "field"}
    for name, values in (PRESETS | STRENGTHS).items():
        denoiser = Denoiser(tiny_dictionary(), preset=name)
        assert {"reduction_db": denoiser.reduction_db, "mix": denoiser.mix} == values
    assert Denoiser(tiny_dictionary(), preset="field", reduction_db=3).reduction_db == 3
    field = denoise(TWO, SR, dictionary=tiny_dictionary(), preset="field")
    npt_testing.assert_array_equal(field, denoise(TWO, SR, dictionary=tiny_dictionary(), reduction_db=12))
    with pytest.raises(
        ParameterError,
        match="preset='loud'; must be 'speech', 'podcast', 'call', 'field', 'light'",
    ):
        Denoiser(preset="loud")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32])
def test_what_is_removed_and_the_speech_add_up(dtype: Any) -> None:
    y = TWO.astype(dtype) if np.dtype(dtype).kind == "f" else (TWO * 2**14).astype(dtype)
    speech, removed = denoise(y, SR, dictionary=tiny_dictionary(), keep_noise=True)
    npt_testing.assert_array_equal(speech, denoise(y, SR, dictionary=tiny_dictionary()))
    assert removed.dtype == y.dtype
    if y.dtype.kind == "i":
        npt_testing.assert_array_equal(speech.astype(np.int64) + removed, y)
    else:
        npt_testing.assert_allclose(speech + removed, y, rtol=0, atol=2 * np.finfo(dtype).eps)


def test_a_file_takes_what_the_functions_take(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", TWO.T, SR, "FLOAT")
    heard = noise(0.5)
    soundfile.write(tmp_path / "noise.wav", heard, SR, "FLOAT")
    options: dict[str, Any] = {"dictionary": "plain", "method": "adaptive", "preset": "call"}
    made = Denoiser("plain", method="adaptive", preset="call", channels="independent")
    ways: dict[str, dict[str, Any]] = {
        "array": {**options, "noise": heard, "channels": "independent"},
        "path": {**options, "noise": tmp_path / "noise.wav", "channels": "independent"},
        "denoiser": {"denoiser": made, "noise": heard},
    }
    expected = made.denoise(TWO.astype(np.float32), SR, noise=heard)
    for name, way in ways.items():
        denoise_file(tmp_path / "a.wav", tmp_path / f"{name}.wav", **way)
        written = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0].T
        npt_testing.assert_array_equal(written, expected)
    denoise_file(tmp_path / "a.wav", tmp_path / "linked.wav", denoiser=made, channels="linked")
    assert made.channels == "independent"
    with pytest.raises(ParameterError, match=r"noise='an array' and noise_from=.* do not go together"):
        denoise_file(tmp_path / "a.wav", noise=heard, noise_from=(0, 1))


def test_one_path_is_one_file_and_the_dictionary_is_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = Dictionary.load

    def count(path: Path) -> Dictionary:
        loaded.append(path)
        return load(path)

    monkeypatch.setattr(Dictionary, "load", count)
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name, 0.1)
    reports = list(denoise_files(str(tmp_path / "a.wav"), dictionary="plain"))
    assert [report.dst.name for report in reports] == ["a.denoised.wav"]
    list(denoise_files([tmp_path / "a.wav", tmp_path / "b.wav"], dictionary="plain", force=True))
    assert len(loaded) == 2
    with pytest.raises(ParameterError, match="files=3; must be a path, or"):
        denoise_files([3])  # type: ignore[list-item]
    with pytest.raises(ParameterError, match="mix=7"):
        denoise_files([tmp_path / "a.wav"], mix=7)


def test_channels_that_are_independent_are_explained_one_by_one() -> None:
    with pytest.raises(ParameterError, match="must be one for each of 2 streams"):
        explain(TWO.astype(np.float32), SR, Denoiser(tiny_dictionary(), channels="independent"))
