"""The corpus finds what can be read, names what can't, and draws evenly within a budget."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.io.containers import Container
from nmf_audio.io.media.reader import MediaReader
from nmf_audio.io.media.writer import MediaWriter
from nmf_audio.training.corpus import Corpus, CorpusWarning, find_recordings
from nmf_audio.training.recordings import read_clips


def tone(seconds: float, sr: int, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * sr)) / sr)


def write(path: Path, seconds: float, sr: int = 16000, n_channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    y = tone(seconds, sr)
    container = {".opus": "OGG", ".mp3": "MP3"}.get(path.suffix)
    subtype = "OPUS" if path.suffix == ".opus" else None
    sf.write(path, np.repeat(y[:, None], n_channels, axis=1), sr, format=container, subtype=subtype)
    return path


def drawn(corpus: Corpus, max_seconds: float, rng: int = 0) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for clip in corpus.clips(max_seconds=max_seconds, rng=rng):
        seconds[clip.recording.group] += len(clip.y) / corpus.sr
    return seconds


@pytest.mark.parametrize(
    ("name", "sr", "n_channels"),
    [
        ("a.wav", 44100, 2),
        ("a.flac", 48000, 1),
        ("a.ogg", 22050, 6),
        ("a.mp3", 44100, 2),
        ("a.opus", 48000, 1),
    ],
)
def test_any_format_and_rate_comes_back_mono_at_the_asked_rate(
    tmp_path: Path, name: str, sr: int, n_channels: int
) -> None:
    write(tmp_path / "tones" / name, 2.0, sr, n_channels)
    corpus = find_recordings([tmp_path], sr=16000)
    (clip,) = corpus.clips()
    assert clip.y.dtype == np.float32
    assert clip.y.ndim == 1
    assert abs(len(clip.y) - 32000) <= 16
    inner = clip.y[8000:24000]
    assert np.argmax(np.abs(np.fft.rfft(inner))) == 440
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_groups_are_the_folders_that_hold_the_recordings(tmp_path: Path) -> None:
    write(tmp_path / "one" / "rain" / "a.wav", 1)
    write(tmp_path / "two" / "rain" / "b.wav", 1)
    write(tmp_path / "one" / "fan" / "deep" / "c.wav", 1)
    groups = find_recordings([tmp_path / "one", tmp_path / "two"], sr=16000).groups
    assert {name: [r.path.name for r in found] for name, found in groups.items()} == {
        "deep": ["c.wav"],
        "rain": ["a.wav", "b.wav"],
    }


def test_a_recording_that_is_found_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1)
    (tmp_path / "again.wav").symlink_to(path)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(find_recordings([tmp_path, path], sr=16000).recordings) == 1


def test_folders_skip_what_is_no_audio_but_named_files_are_tried(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 1)
    write(tmp_path / "._a.wav", 1)
    notes = tmp_path / "notes.txt"
    notes.write_text("not audio")
    assert [r.path.name for r in find_recordings([tmp_path], sr=16000).recordings] == ["a.wav"]
    with pytest.warns(CorpusWarning, match=r"notes\.txt"):
        find_recordings([tmp_path, notes], sr=16000)


def test_unreadable_recordings_are_named_in_one_warning(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 1)
    (tmp_path / "bad.flac").write_bytes(b"fLaC" + bytes(50))
    (tmp_path / "phone.m4a").write_bytes(bytes(50))
    sf.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.warns(CorpusWarning) as caught:
        corpus = find_recordings([tmp_path], sr=16000)
    assert len(caught) == 1
    assert all(name in str(caught[0].message) for name in ("bad.flac", "phone.m4a", "empty.wav"))
    assert len(corpus.recordings) == 1


def test_long_lists_are_cut_short(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 1)
    for i in range(30):
        (tmp_path / f"bad{i:02}.wav").write_bytes(b"no")
    with pytest.warns(CorpusWarning, match="and 22 more$"):
        find_recordings([tmp_path], sr=16000)


def test_nothing_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no")
    with pytest.raises(AudioFileError, match=r"no readable recording.*bad\.wav"):
        find_recordings([tmp_path], sr=16000)
    with pytest.raises(AudioFileError, match=r"absent.*does not exist"):
        find_recordings([tmp_path / "absent"], sr=16000)


def test_content_that_turns_out_broken_is_left_out_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 1)
    y = np.zeros(16000, np.float32)
    y[8000] = np.nan
    sf.write(tmp_path / "nan.wav", y, 16000, subtype="FLOAT")
    corpus = find_recordings([tmp_path], sr=16000)
    with pytest.warns(CorpusWarning, match=r"nan\.wav \(sample 8000 \(0\.500 s\) of channel 1 is NaN"):
        assert [clip.recording.path.name for clip in corpus.clips()] == ["good.wav"]
    only = find_recordings([tmp_path / "nan.wav"], sr=16000)
    with pytest.raises(AudioFileError, match="no recording could be read"):
        list(only.clips())


def test_truncated_flac_is_an_error_of_that_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    sf.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 80000), 16000)
    path.write_bytes(path.read_bytes()[:60000])
    with pytest.raises(AudioFileError, match=r"cut\.flac"):
        list(read_clips(path, [(0, 80000)], sr=16000))


@pytest.mark.parametrize("name", ["a.m4a", "a.mkv", "a.mp4"])
def test_media_files_are_read_like_others(tmp_path: Path, name: str) -> None:
    pytest.importorskip("av")
    y = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 16000 * 12)).astype(np.float32)
    subtype = "FLAC_16" if name.endswith("mkv") else "ALAC_16" if name.endswith("m4a") else "AAC"
    with MediaWriter(tmp_path / name, 16000, 2, Container(name[2:].upper(), subtype)) as writer:
        writer.write(y)
    corpus = find_recordings([tmp_path], sr=16000)
    whole = np.concatenate([clip.y for clip in corpus.clips()])
    assert abs(len(whole) - 16000 * 12) <= 1024
    if subtype != "AAC":
        np.testing.assert_allclose(whole, y.mean(axis=0), atol=1e-4)
    with MediaReader(tmp_path / name) as reader:
        mean = np.concatenate(list(reader.blocks()), axis=1).mean(axis=0, dtype=np.float32)
    np.testing.assert_array_equal(whole, mean)
    for clip in corpus.clips(max_seconds=6, clip_seconds=1.7, rng=0):
        first = round(clip.start * 16000)
        np.testing.assert_array_equal(clip.y, mean[first : first + len(clip.y)])


def test_truncated_recordings_are_read_as_far_as_they_go_and_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.wav", 2)
    content = whole.read_bytes()
    whole.write_bytes(content[:-4000])
    with pytest.warns(
        CorpusWarning, match=r"read as far as they go: .*whole\.wav \(is truncated: 60000 of 64000"
    ):
        corpus = find_recordings([tmp_path], sr=16000)
    assert [len(clip.y) for clip in corpus.clips()] == [30000]


def test_a_budget_is_shared_evenly_among_groups(tmp_path: Path) -> None:
    write(tmp_path / "long" / "a.wav", 60)
    write(tmp_path / "short" / "a.wav", 2)
    for i in range(10):
        write(tmp_path / "many" / f"{i}.wav", 3)
    seconds = drawn(find_recordings([tmp_path], sr=16000), 22)
    assert seconds["short"] == pytest.approx(2)
    assert seconds["long"] == pytest.approx(10, abs=0.01)
    assert seconds["many"] == pytest.approx(10, abs=0.01)


def test_without_a_budget_every_sample_comes_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    ramp = np.arange(400_001, dtype=np.float32) / 400_001
    sf.write(path, ramp, 16000, subtype="FLOAT")
    clips = list(find_recordings([path], sr=16000).clips(clip_seconds=7.0))
    assert max(len(clip.y) for clip in clips) <= 7 * 16000
    np.testing.assert_array_equal(np.concatenate([clip.y for clip in clips]), ramp)


def test_draws_follow_the_seed_and_the_names_not_the_place(tmp_path: Path) -> None:
    starts = []
    for place in ("x", "y"):
        write(tmp_path / place / "a" / "1.wav", 30)
        write(tmp_path / place / "b" / "1.wav", 30)
        corpus = find_recordings([tmp_path / place], sr=16000)
        starts.append([clip.start for clip in corpus.clips(max_seconds=20, clip_seconds=5, rng=3)])
    assert starts[0] == starts[1]
    assert starts[0] != [clip.start for clip in corpus.clips(max_seconds=20, clip_seconds=5, rng=4)]


def test_a_small_budget_takes_few_recordings_rather_than_splinters(tmp_path: Path) -> None:
    for i in range(20):
        write(tmp_path / "one" / f"{i}.wav", 8, sr=8000)
    lengths = [
        len(clip.y) / 8000 for clip in find_recordings([tmp_path], sr=8000).clips(max_seconds=10, rng=0)
    ]
    assert sorted(lengths) == pytest.approx([2, 4, 4])


def test_load_holds_the_same_clips(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.wav", 3)
    write(tmp_path / "b" / "1.wav", 3)
    corpus = find_recordings([tmp_path], sr=16000)
    loaded = corpus.load(max_seconds=4, rng=1)
    assert list(loaded) == ["a", "b"]
    for clip in corpus.clips(max_seconds=4, rng=1):
        np.testing.assert_array_equal(loaded[clip.recording.group][0], clip.y)


@pytest.mark.parametrize("by_group", [False, True])
def test_split_keeps_recordings_or_whole_groups_aside(tmp_path: Path, by_group: bool) -> None:
    for group in "abcd":
        for i in range(3):
            write(tmp_path / group / f"{i}.wav", 0.1)
    corpus = find_recordings([tmp_path], sr=16000)
    learned, held = corpus.split(0.25, by_group=by_group, rng=0)
    assert len(held.recordings) == 3
    assert set(learned.recordings) | set(held.recordings) == set(corpus.recordings)
    assert not set(learned.recordings) & set(held.recordings)
    if by_group:
        assert not set(learned.groups) & set(held.groups)


def test_arguments_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1)
    with pytest.raises(ParameterError, match="paths="):
        find_recordings([], sr=16000)
    with pytest.raises(ParameterError, match="paths="):
        find_recordings(str(path), sr=16000)
    with pytest.raises(ParameterError, match="sr=0"):
        find_recordings([path], sr=0)
    corpus = find_recordings([path], sr=16000)
    with pytest.raises(ParameterError, match="max_seconds=0"):
        corpus.clips(max_seconds=0)
    with pytest.raises(ParameterError, match="clip_seconds=-1"):
        corpus.clips(clip_seconds=-1)
    with pytest.raises(ParameterError, match="fraction=1"):
        corpus.split(1.0)
    with pytest.raises(ParameterError, match="only one group"):
        corpus.split(0.5, by_group=True)


def test_of_a_single_recording_the_end_is_kept_aside(tmp_path: Path) -> None:
    y = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    sf.write(tmp_path / "a.wav", y, 16000, subtype="FLOAT")
    learned, held_out = find_recordings([tmp_path], sr=16000).split(0.1)
    clips = [clip.y for corpus in (learned, held_out) for clip in corpus.clips()]
    assert [len(clip) for clip in clips] == [14400, 1600]
    np.testing.assert_allclose(np.concatenate(clips), y, atol=1e-6)


def test_parts_that_a_list_names_are_read_and_no_more(tmp_path: Path) -> None:
    y = np.linspace(-0.5, 0.5, 32000)
    sf.write(tmp_path / "a.wav", y, 16000, subtype="FLOAT")
    rows = [
        {"path": "a.wav", "start": 0.5, "end": 1.0, "weight": 3},
        {"path": "a.wav", "start": 1.5, "group": "g"},
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    corpus = find_recordings([tmp_path / "list.jsonl"], sr=16000)
    # clips come by group
    second, first = corpus.clips()
    np.testing.assert_allclose(first.y, y[8000:16000], atol=1e-6)
    np.testing.assert_allclose(second.y, y[24000:], atol=1e-6)
    assert [recording.weight for recording in corpus.recordings] == [3, 1]
    assert [recording.group for recording in corpus.recordings] == [tmp_path.name, "g"]
    (tmp_path / "list.jsonl").write_text('{"path": "a.wav", "start": 3}', encoding="utf-8")
    with pytest.raises(AudioFileError, match=r"a\.wav \(ends at 2 s, before the part from 3 s\)"):
        find_recordings([tmp_path / "list.jsonl"], sr=16000)


@pytest.mark.parametrize("seconds", [[100.0], [3.0] * 40, [0.5, 60.0, 2.0], [5.0, 5.0]])
def test_a_part_of_each_group_is_kept_aside(tmp_path: Path, seconds: list[float]) -> None:
    for name in ("a", "b"):
        for i, length in enumerate(seconds):
            write(tmp_path / name / f"{i}.wav", length, 1000)
    corpus = find_recordings([tmp_path], sr=1000)
    learned, held_out = corpus.split_seconds(0.2, rng=0)
    assert learned.seconds + held_out.seconds == pytest.approx(corpus.seconds)
    for name, members in held_out.groups.items():
        assert sum(r.seconds for r in members) == pytest.approx(0.2 * sum(seconds), abs=1)
        for part in members:
            # what was cut off a recording is its end, and the rest is learned from
            rest = next((r for r in learned.groups[name] if r.path == part.path), None)
            assert part.first == (rest.n_samples if rest else 0)
    none = corpus.split_seconds(0.2 / sum(seconds), rng=0)[1]
    assert none.recordings == ()
    with pytest.raises(ParameterError, match="fraction=0"):
        corpus.split_seconds(0)
