"""Recordings in memory: all of them, small, and nothing that scores is learned from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from nmf_audio.training.card import Origin
from nmf_audio.training.corpus import Corpus, find_recordings
from nmf_audio.training.sounds import Recordings, Sound, Sounds, in_memory, read_recordings
from tests.training.sounds import hiss, small_collection, voice, write

SR = 16000


def n_samples(*sounds: Sounds) -> int:
    return sum(len(clip) for part in sounds for clips in part.values() for clip in clips)


def speakers(folder: Path) -> Corpus:
    for i in range(4):
        write(folder / "speech" / f"speaker{i}" / "a.wav", voice(1.0, seed=i))
    return find_recordings([folder / "speech"], sr=SR)


def kinds(folder: Path, n_kinds: int) -> tuple[Corpus, dict[Path, Origin]]:
    """Each kind from three of twelve origins, the first of which has most of the sound."""
    origins = {}
    for i in range(n_kinds):
        for j in range(3):
            origin = (i + 4 * j) % 12
            path = write(
                folder / f"kind{i:02}" / f"{j}.wav", hiss(5.0 if origin == 0 else 0.1, seed=3 * i + j)
            )
            origins[path.resolve()] = Origin(f"origin{origin}", "CC0")
    return find_recordings([folder], sr=SR), origins


def test_a_sound_is_its_clip_without_mean_at_unit_deviation_in_two_bytes_a_sample() -> None:
    clip = np.float32(1e-3) * hiss(1.0) + np.float32(0.1)
    sound = Sound.of(clip)
    assert sound is not None
    assert sound.samples[:].nbytes == 2 * len(clip)
    x = sound.piece()
    assert x.dtype == np.float32
    assert x.mean() == pytest.approx(0, abs=1e-3)
    assert x.std() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(x, (clip - clip.mean()) / clip.std(), atol=1e-3)
    np.testing.assert_array_equal(sound.piece(5, 9), x[5:9])


@pytest.mark.parametrize("level", [1e-30, 1.0, 1e30])
def test_any_level_will_do(level: float) -> None:
    sound = Sound.of(np.float32(level) * hiss(0.1))
    assert sound is not None
    assert sound.piece().std() == pytest.approx(1, rel=1e-4)


def test_silence_is_left_out() -> None:
    flat = np.full(1000, 0.25, np.float32)
    sounds = in_memory([("a", 0 * flat), ("b", flat), ("c", flat), ("c", voice(0.2))])
    assert {group: len(clips) for group, clips in sounds.items()} == {"c": 1}


def test_all_recordings_are_held_in_two_bytes_a_sample(tmp_path: Path) -> None:
    speech = speakers(tmp_path)
    write(tmp_path / "noise" / "rain" / "long.wav", hiss(65.0))
    write(tmp_path / "noise" / "fan" / "short.wav", hiss(0.3))
    noise = find_recordings([tmp_path / "noise"], sr=SR)
    read = read_recordings(speech, noise, rng=0)
    for corpus, sounds in (
        (speech, (read.speech, read.held_out_speech)),
        (noise, (read.noise, read.held_out_noise)),
    ):
        assert n_samples(*sounds) == round(corpus.seconds * SR)
        clips = [clip for part in sounds for clips in part.values() for clip in clips]
        assert sum(clip.samples[:].nbytes for clip in clips) == 2 * round(corpus.seconds * SR)
        assert max(map(len, clips)) <= 30 * SR
    learned = sum(row["seconds"] for row in read.trained_on)
    held_out = sum(row["seconds"] for row in read.held_out)
    assert learned + held_out == pytest.approx(speech.seconds + noise.seconds, abs=0.2)


def test_a_limit_holds(tmp_path: Path) -> None:
    speech, (noise, _) = speakers(tmp_path), kinds(tmp_path / "noise", 3)
    read = read_recordings(speech, noise, max_seconds=0.5, rng=0)
    assert n_samples(read.speech) == pytest.approx(0.5 * SR, abs=5)
    assert n_samples(read.noise) == pytest.approx(0.5 * SR, abs=5)


@pytest.mark.parametrize("seed", range(6))
def test_whole_kinds_and_origins_of_noise_are_held_out(tmp_path: Path, seed: int) -> None:
    noise, origins = kinds(tmp_path / "noise", 12)
    read = read_recordings(speakers(tmp_path), noise, held_out=0.2, origins=origins, rng=seed)
    assert not read.noise.keys() & set(read.held_out[1]["groups"])
    assert len(read.held_out[1]["groups"]) >= 2
    assert set(read.held_out[1]["groups"]) <= read.held_out_noise.keys()
    learned = {row["origin"] for row in read.trained_on if row["source"] == "noise"}
    whole = set(read.held_out[1]["origins"])
    assert len(whole) >= 2
    assert learned | whole == {f"origin{i}" for i in range(12)}
    assert not learned & whole
    assert "origin0" in learned, "it has more than a twentieth of the noise"


def test_few_kinds_are_all_learned_from(tmp_path: Path) -> None:
    noise, _ = kinds(tmp_path / "noise", 3)
    read = read_recordings(speakers(tmp_path), noise, held_out=0.3, rng=0)
    assert read.noise.keys() == {"kind00", "kind01", "kind02"}
    assert read.held_out[1] == {
        "source": "noise",
        "groups": [],
        "origins": [],
        "recordings": 3,
        "seconds": round(n_samples(read.held_out_noise) / SR, 1),
    }


def test_speakers_that_are_held_out_are_named(tmp_path: Path) -> None:
    noise, _ = kinds(tmp_path / "noise", 3)
    read = read_recordings(speakers(tmp_path), noise, held_out=0.5, rng=0)
    assert read.held_out[0]["groups"] == sorted(read.held_out_speech)
    assert len(read.speech) == len(read.held_out_speech) == 2
    assert not read.speech.keys() & read.held_out_speech.keys()


def test_a_fingerprint_is_that_of_the_samples(tmp_path: Path) -> None:
    def read() -> Recordings:
        speech, noise = (find_recordings([folder], sr=SR) for folder in small_collection(tmp_path))
        return read_recordings(speech, noise, held_out=0.4, rng=0)

    first = read()
    assert read().fingerprint() == first.fingerprint()
    (clip, *_), *_ = first.noise.values()
    clip.samples[:][7] += 1
    assert read().fingerprint() != first.fingerprint()


def test_weights_draw_recordings_of_a_group_more_often(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.wav", voice(1.0))
    (tmp_path / "list.csv").write_text("path,weight\na.wav,1\nb.wav,3\nc.wav,1", encoding="utf-8")
    corpus = find_recordings([tmp_path / "list.csv"], sr=SR)
    recordings = read_recordings(corpus, corpus, rng=1)
    sounds = recordings.speech[tmp_path.name]
    assert len(sounds) - len({id(sound) for sound in sounds}) in (0, 2)
    assert len({id(sound) for sound in sounds}) == 2


def test_sounds_in_a_file_are_those_in_memory(tmp_path: Path) -> None:
    speech, noise = (find_recordings([folder], sr=SR) for folder in small_collection(tmp_path))
    held = read_recordings(speech, noise, rng=0)
    with tempfile.TemporaryFile() as file:
        kept = read_recordings(speech, noise, spool=file, rng=0)
        assert kept.fingerprint() == held.fingerprint()
        for ours, theirs in zip(kept[:4], held[:4], strict=True):
            for name, clips in theirs.items():
                for a, b in zip(ours[name], clips, strict=True):
                    np.testing.assert_array_equal(a.piece(), b.piece())
                    np.testing.assert_array_equal(a.piece(5, 99), b.piece(5, 99))
