"""The demos run as a person runs them, and show what they promise."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import load_dictionary

DEMOS = Path(__file__).parent.parent / "demos"
GALLERY = sorted(set((DEMOS / "gallery").glob("*.py")) - {DEMOS / "gallery" / "common.py"})
PAGE = (DEMOS.parent / "docs" / "gallery.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


def _run(script: str, *arguments: str | Path) -> str:
    words = [sys.executable, "-W", "error", str(DEMOS / script), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _run_here(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str | Path) -> None:
    """Run a script in this process, which has loaded the libraries."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(DEMOS / script), run_name="__main__")


def _numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found, f"{pattern} not in:\n{text}"
    return [float(number) for number in found.groups()]


def test_stream_blocks_says_its_latency_and_gain() -> None:
    text = _run("stream_blocks.py")
    assert _numbers(r"latency: (\d+) samples, (\d+) ms", text) == [512, 32]
    before, after = _numbers(r"SI-SDR: ([\d.-]+) dB before, ([\d.-]+) dB after", text)
    assert after >= before + 3


@pytest.mark.parametrize("block_ms", ["3.7", "250"])
def test_stream_blocks_takes_any_file_and_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], block_ms: str
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((22050, 2))
    soundfile.write(tmp_path / "in.wav", noise, 44100)
    words = (tmp_path / "in.wav", "-o", tmp_path / "out.wav", "--block-ms", block_ms)
    _run_here(monkeypatch, "stream_blocks.py", *words)
    assert "SI-SDR" not in capsys.readouterr().out, "no clean recording is known"
    out, sr = soundfile.read(tmp_path / "out.wav")
    assert (out.shape, sr) == (noise.shape, 44100)
    assert np.std(out[11025:]) < 0.5 * np.std(noise)


@pytest.mark.slow
def test_train_dictionary_learns_a_noise_and_gains_by_it() -> None:
    text = _run("train_dictionary.py")
    assert "fountain (noise, 16 atoms)" in text
    (noisy,) = _numbers(r"noisy +([\d.-]+) dB", text)
    (shipped,) = _numbers(r"shipped dictionary +([\d.-]+) dB", text)
    (own,) = _numbers(r"own noise +([\d.-]+) dB", text)
    assert own > shipped
    assert own > noisy + 1


def test_train_dictionary_takes_folder_and_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "room").mkdir()
    soundfile.write(tmp_path / "room" / "hiss.wav", 0.1 * rng.standard_normal(24000), 8000)
    soundfile.write(tmp_path / "talk.wav", 0.1 * rng.standard_normal(16000), 16000)
    words = (tmp_path / "room", tmp_path / "talk.wav", "-o", tmp_path / "mine.npz")
    _run_here(monkeypatch, "train_dictionary.py", *words)
    assert {group.name for group in load_dictionary(tmp_path / "mine.npz").groups} == {"speech", "room"}
    assert soundfile.info(tmp_path / "talk.denoised.wav").frames == 16000


@pytest.mark.slow
def test_separate_sources_takes_voice_and_piano_apart(tmp_path: Path) -> None:
    text = _run("separate_sources.py", "-o", tmp_path, "--plot", tmp_path / "parts.png")
    mixed = _numbers(r"mixture +([\d.-]+) +([\d.-]+)", text)
    free = _numbers(r"8 atoms learned on the mixture +([\d.-]+) +([\d.-]+)", text)
    both = _numbers(r"dictionaries of both +([\d.-]+) +([\d.-]+)", text)
    for before, with_free, with_both in zip(mixed, free, both, strict=True):
        assert with_both > with_free > before + 4
    for name in ("mixture", "voice", "piano"):
        shipped, _ = soundfile.read(DEMOS / "separate" / f"{name}.flac")
        made, _ = soundfile.read(tmp_path / f"{name}.flac")
        np.testing.assert_allclose(made, shipped, atol=0.01)
    assert (tmp_path / "parts.png").stat().st_size > 10_000


def test_the_pair_is_what_its_readme_says() -> None:
    clean, sr = soundfile.read(DEMOS / "clean.flac")
    noisy, _ = soundfile.read(DEMOS / "noisy.flac")
    assert (sr, clean.shape, noisy.shape) == (16000, (129600,), (129600,))
    assert np.abs(noisy).max() < 0.99, "nothing is clipped"
    assert not clean[:8000].any(), "half a second without speech"


@pytest.mark.slow
def test_separate_blindly_shows_what_places_are_worth(tmp_path: Path) -> None:
    text = _run("separate_blindly.py", "-o", tmp_path / "parts", "--plot", tmp_path / "blind.png")
    (struck,) = _numbers(r"drums and piano, --percussive +([\d.-]+)", text)
    (alike,) = _numbers(r"drums and piano, --blind 2 +([\d.-]+)\n", text)
    (blind,) = _numbers(r"two pipes, --blind 2 +([\d.-]+)\n", text)
    (by_place,) = _numbers(r"--by-place +([\d.-]+)", text)
    assert struck > 7
    assert alike > 12
    assert by_place > blind + 4
    shipped = sorted((DEMOS / "blind").iterdir())
    assert [path.name for path in sorted((tmp_path / "parts").iterdir())] == [path.name for path in shipped]
    for path in shipped:
        expected, _ = soundfile.read(path)
        made, _ = soundfile.read(tmp_path / "parts" / path.name)
        # what Vorbis makes of the same sound may differ a little from version to version
        assert np.corrcoef(made.ravel(), expected.ravel())[0, 1] > 0.99, path.name
    assert (tmp_path / "blind.png").stat().st_size > 10000


@pytest.fixture
def gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], list[list[float]]]:
    """Run a script of the gallery; the numbers of each line it prints, which has the words of docs/gallery.md."""

    def run(name: str) -> list[list[float]]:
        monkeypatch.syspath_prepend(DEMOS / "gallery")
        picture = tmp_path / "picture.png"
        _run_here(monkeypatch, f"gallery/{name}.py", "-o", picture)
        assert picture.stat().st_size > 5000
        lines = capsys.readouterr().out.splitlines()
        shown = PAGE.split(f"<!-- gallery:{name} -->\n\n")[1].split("\n\n<!-- end -->")[0].splitlines()
        for line, expected in zip(lines, shown, strict=True):
            if not re.match(r"(topic|  part):", line):  # which words lead may depend on the version of scipy
                assert NUMBER.sub("#", line).split() == NUMBER.sub("#", expected).split()
        return [[float(number) for number in NUMBER.findall(line)] for line in lines]

    return run


def test_every_script_of_the_gallery_is_short_and_on_its_page() -> None:
    scripts = [path for path in GALLERY if path.stem != "update_page"]
    assert len(scripts) == 10
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 80
        assert f"(../demos/gallery/{path.name})" in PAGE
        assert f"(gallery/{path.stem}.png)" in PAGE
        assert not re.search(r"nmf_audio(?!\.nmf import)", text), "only the public names of nmf_audio.nmf"
        assert re.search(r"(19|20)\d\d", text.split('"""')[1]), "the paper"


@pytest.mark.slow
def test_gallery_topics(gallery: Callable[[str], list[list[float]]]) -> None:
    *_, (_, three, three_random, three_means), (_, six, six_random, six_means) = gallery("topics")
    assert three > max(three_random, three_means) + 5
    assert six > max(six_random, six_means) + 4
    assert six > 80


def test_gallery_spectra(gallery: Callable[[str], list[list[float]]]) -> None:
    (_, pure), (_, als_mixtures), (_, als), (_, random), (cosine, nmf) = gallery("spectra")
    assert cosine > 0.998
    assert nmf < 0.7 * min(pure, random, als_mixtures)
    assert nmf < 1.1 * als


def test_gallery_internet_distances(gallery: Callable[[str], list[list[float]]]) -> None:
    nmf, virtual, over, alike, fitting = (line[0] for line in gallery("internet_distances"))
    assert nmf < 0.7 * min(virtual, over)
    assert fitting < 0.5 * alike


@pytest.mark.slow
def test_gallery_ancestry(gallery: Callable[[str], list[list[float]]]) -> None:
    (best, true), (means, _), (plain, _), (sparse, right), (likelihood, _) = gallery("ancestry")
    assert best == true
    assert likelihood < sparse < plain < 0.5 * means
    assert right > 90


@pytest.mark.slow
def test_gallery_mutational_signatures(gallery: Callable[[str], list[list[float]]]) -> None:
    (best, true), (mean, worst), (squares, _), (principal, _), (correlation,) = gallery(
        "mutational_signatures"
    )
    assert best == true
    assert mean > 0.98
    assert worst > 0.94
    assert mean > squares > principal + 0.1
    assert correlation > 0.98


@pytest.mark.slow
def test_gallery_gene_expression(gallery: Callable[[str], list[list[float]]]) -> None:
    *cophenetic, (nmf,), (means, linkage), (level_means, level_linkage) = gallery("gene_expression")
    assert [line[0] for line in cophenetic] == [2, 3, 4, 5]
    assert cophenetic[1][1] > cophenetic[3][1]
    assert nmf > 95
    assert max(means, linkage) < 60
    assert min(level_means, level_linkage) > 95


@pytest.mark.slow
def test_gallery_nuclear_imaging(gallery: Callable[[str], list[list[float]]]) -> None:
    (blood, *_), (images, starts), (sparse_blood, *others), (sparse_images, sparse_starts) = gallery(
        "nuclear_imaging"
    )
    assert blood < 0.9
    assert min(sparse_blood, *others) > 0.99
    assert sparse_images > images + 0.05
    assert sparse_starts > 0.999 > starts + 0.05


@pytest.mark.slow
def test_gallery_circumstellar_disk(gallery: Callable[[str], list[list[float]]]) -> None:
    (principal, principal_error, noise), (seen, _, _), (flux, error, _) = gallery("circumstellar_disk")
    assert max(principal, seen) < 70
    assert abs(flux - 100) < 10
    assert noise < error < principal_error


def test_gallery_faces(gallery: Callable[[str], list[list[float]]]) -> None:
    (nmf, size), (principal, _), (prototype, prototype_size) = gallery("faces")
    assert nmf > 0.95
    assert max(principal, prototype) < 0.7
    assert size < 0.5 * prototype_size


@pytest.mark.slow
def test_gallery_recommendations(gallery: Callable[[str], list[list[float]]]) -> None:
    (_, means), (first, once), (_, online), (_, anew) = gallery("recommendations")
    assert first < anew < online < means < once
    assert online - anew < 0.2 * (once - anew)


def test_the_page_of_the_gallery_is_renewed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "demos" / "gallery"
    shutil.copytree(DEMOS / "gallery", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "faces.py").write_text("print('a figure: .5')", encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "gallery.md").write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["update_page.py", "faces"])
    runpy.run_path(str(copy / "update_page.py"), run_name="__main__")
    text = (tmp_path / "docs" / "gallery.md").read_text(encoding="utf-8")
    before, after = PAGE.split("<!-- gallery:faces -->\n")
    rest = after.split("<!-- end -->", 1)[1]
    assert text == f"{before}<!-- gallery:faces -->\n\n    a figure: .5\n\n<!-- end -->{rest}"
