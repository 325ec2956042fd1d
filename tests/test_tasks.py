"""Every command in the pages of the tasks does what it says, on small recordings."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio.cli import denoise
from nmf_audio.cli.main import build_parser
from nmf_audio.cli.main import main as nmf_audio_main
from tests.io.media.make import write_media
from tests.live.fake import FakeSound, device

TASKS = Path(__file__).parent.parent / "docs" / "tasks"
PAGES = sorted(TASKS.glob("*.md"))

RECORDINGS = {
    "podcast": ["host.wav", "guest.wav", "panel.wav", "episode.wav"],
    "interview": ["interview.wav"],
    "lecture": ["lecture.mp3", "lecture.mp4", "term/monday.flac", "term/week2/tuesday.ogg"],
    "field-recording": ["guide.wav", "atmosphere.wav"],
    "call-centre-batch": ["calls/a.wav", "calls/b.wav", "calls/more/c.wav"],
    "python-script": [],
    "live": ["room.wav"],
    "own-sounds": ["my_piano/a.wav", "my_piano/b.wav"],
    "restore": ["loud.wav", "call.wav"],
}
STEREO = {"panel.wav", "interview.wav", "guide.wav", "b.wav"}
CUT = {"episode.wav", "interview.wav", "lecture.mp3"}
"""Those of which a page takes what follows the fifth second."""
OTHER_PROGRAMS = {"pip", "pactl", "ffmpeg", "cat", "consumer"}


def commands(page: Path) -> list[list[str]]:
    """Return the commands of a page, cut into words: lines that are indented, outside of other code."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    lines = re.findall(r"(?m)^    (\S.*)$", text.replace("$(date +%F)", "2026-11-24"))
    return [words_of(line) for line in lines]


def words_of(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    return list(lexer)


def pipeline(words: list[str]) -> list[list[str]]:
    """Cut a pipeline into its commands, without what is set for them."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            parts.append([])
        elif parts[-1] or "=" not in word:
            parts[-1].append(word)
    return parts


def make_recordings(names: list[str]) -> None:
    for i, name in enumerate(names):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".mp4":
            write_media(path)
            continue
        sr = 8000 if "calls" in name else 16000
        shape = ((6 if path.name in CUT else 2) * sr, 1 + (path.name in STEREO))
        soundfile.write(path, 0.1 * np.random.default_rng(i).standard_normal(shape), sr)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_recordings(RECORDINGS[page.stem])
    sound = FakeSound(devices=(device(0, "USB Headset", 1, 2),), default=(0, 0))

    def interrupt(now: float) -> None:
        if now > 1:
            raise KeyboardInterrupt

    sound.on_sleep = interrupt
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    for words in commands(page):
        parts = pipeline(words)
        for program, *arguments in parts:
            if program in OTHER_PROGRAMS:
                continue
            assert program in ("denoise", "nmf-audio"), f"{program} in {page.name}"
            sound.now, sound.streams = 0.0, []
            # a pipe has two ends, and a watch has none: only their words are checked
            if len(parts) > 1 or "--watch" in arguments:
                parser = denoise.build_parser() if program == "denoise" else build_parser()
                parser.parse_args(arguments)
                continue
            run = denoise.main if program == "denoise" else nmf_audio_main
            code = run(arguments)
            captured = capsys.readouterr()
            assert code == 0, (words, captured.err)


def test_every_page_is_in_the_index() -> None:
    index = (TASKS.parent / "README.md").read_text(encoding="utf-8")
    for page in [*PAGES, *TASKS.parent.glob("*.md")]:
        if page.name != "README.md":
            assert f"({page.relative_to(TASKS.parent)})" in index
    assert {page.stem for page in PAGES} == set(RECORDINGS)


def test_what_the_pages_say_of_the_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of some commands more is said than that they run."""
    monkeypatch.chdir(tmp_path)
    make_recordings(RECORDINGS["field-recording"])
    assert denoise.main(shlex.split("guide.wav --reduction 40 --keep-noise place.wav -o voice.wav")) == 0
    x, voice, place = (
        soundfile.read(name, dtype="int16")[0] for name in ("guide.wav", "voice.wav", "place.wav")
    )
    np.testing.assert_array_equal(x, voice + place)
    make_recordings(RECORDINGS["call-centre-batch"])
    again = "-r calls --output-dir clean --preset call --jobs 4 --skip-existing --json {}.json -q"
    assert denoise.main(again.format("first").split()) == 0
    assert sorted(str(path) for path in Path("clean").rglob("*.wav")) == [
        "clean/a.denoised.wav",
        "clean/b.denoised.wav",
        "clean/more/c.denoised.wav",
    ]
    assert denoise.main(again.format("second").split()) == 0
    assert Path("second.json").read_text().count('"skipped"') == 3
    capsys.readouterr()
