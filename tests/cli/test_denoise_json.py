"""``denoise --json``: the document is as docs/report.md says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio import __version__
from nmf_audio.defaults import DEFAULT_REDUCTION_DB
from nmf_audio.dictionary import Dictionary
from tests.cli.helpers import COMMAND, Run, names, take_interrupts
from tests.tiny import SR, truncate, write_noise

PAGE = Path(__file__).parents[2] / "docs" / "report.md"
TYPES = {
    "integer": int,
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "array": list,
    "null": type(None),
}


def described() -> tuple[dict[str, str], dict[str, str]]:
    """Return entries and types of the document, and of each file, as the page has them."""
    of_denoise = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)[0]
    first, second = of_denoise.split("Each of `files`")
    row = r"^\| `([\w.]+)` \| ([\w ]+) \|"
    return dict(re.findall(row, first, re.M)), dict(re.findall(row, second, re.M))


def flat(document: dict[str, Any]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            entries |= {f"{name}.{inner}": item for inner, item in value.items()}
        else:
            entries[name] = value
    return entries


def check(document: dict[str, Any]) -> None:
    of_document, of_file = described()
    for entries, types in [(flat(document), of_document), *((file, of_file) for file in document["files"])]:
        assert set(entries) == set(types)
        for name, value in entries.items():
            allowed = [TYPES[word] for word in types[name].split(" or ")]
            assert any(isinstance(value, kind) for kind in allowed), (name, value)  # type: ignore[arg-type]


def test_the_page_describes_the_document(run: Run, tmp_path: Path, dictionary_file: Path) -> None:
    write_noise(tmp_path / "1.wav", 2, n_channels=2)
    soundfile.write(tmp_path / "2.flac", np.zeros(SR), SR)
    (tmp_path / "3.wav").write_text("no recording")
    truncate(write_noise(tmp_path / "4.wav", 2))
    write_noise(tmp_path / "5.wav")
    write_noise(tmp_path / "5.denoised.wav")
    words = ["--skip-existing", "--noise-from", "0-0.5", "--end", "3", "--keep-noise", "{stem}.n{ext}"]
    code, out, _ = run("1.wav", "2.flac", "3.wav", "4.wav", "5.wav", *words, "--json", "r.json")
    assert code == 1
    assert len(out) == 5
    document = json.loads((tmp_path / "r.json").read_text())
    check(document)
    assert (document["schema"], document["version"], document["complete"]) == (1, __version__, True)
    assert document["dictionary"] == {"name": "tiny", "sha256": Dictionary.load(dictionary_file).sha256}
    assert document["parameters"] == {
        "reduction_db": DEFAULT_REDUCTION_DB,
        "mix": 1,
        "noise": None,
        "noise_from": [0, 0.5],
        "channels": "linked",
        "raw": None,
        "start": None,
        "end": 3,
        "loudness": None,
        "format": None,
        "subtype": None,
        "sr": None,
        "bitrate": None,
        "quality": None,
    }
    files = document["files"]
    assert [file["status"] for file in files] == ["done", "done", "failed", "partial", "skipped"]
    assert [file["src"] for file in files] == ["1.wav", "2.flac", "3.wav", "4.wav", "5.wav"]
    one, two, three, four, _ = files
    before = soundfile.read(tmp_path / "1.wav")[0]
    after = soundfile.read(tmp_path / "1.denoised.wav")[0]
    assert one["level_before_db"] == pytest.approx(10 * np.log10(np.mean(before**2)), abs=1e-3)
    assert one["level_after_db"] == pytest.approx(10 * np.log10(np.mean(after**2)), abs=1e-2)
    assert one["removed_db"] == pytest.approx(one["level_before_db"] - one["level_after_db"], abs=1e-5)
    assert (one["seconds"], one["sr"], one["n_channels"], one["subtype"]) == (2, SR, 2, "PCM_16")
    assert (one["keep_noise"], one["warnings"], one["error"]) == ("1.n.wav", [], None)
    assert (two["level_before_db"], two["level_after_db"], two["removed_db"]) == (None, None, 0)
    assert three["error"].startswith("3.wav: holds no audio")
    assert three["seconds"] is None
    assert four["warnings"][0].startswith("is truncated")


def test_on_standard_output_there_is_nothing_else(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    code, out, err = run("a.wav", "--json")
    assert code == 0
    check(json.loads("\n".join(out)))
    assert err[0].startswith("a.wav -> a.denoised.wav: ")
    code, out, err = run("a.wav", "-f", "-q", "--json")
    assert (code, err) == (0, [])
    assert json.loads("\n".join(out))["files"][0]["status"] == "done"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--json", "a.wav", "b.wav", "-f"], "--json a.wav: must end in .json, .jsonl or .parquet"),
        (["a.wav", "--json", "old.json"], "old.json: exists; give --force"),
        (["a.wav", "--json", "none/r.json"], "none/r.json: there is no folder none"),
        (["a.wav", "-o", "r.json", "--format", "wav", "--json", "r.json"], "--json r.json: is an output too"),
        (["a.wav", "-n", "--json"], "--json and --dry-run do not go together"),
    ],
)
def test_faults(run: Run, tmp_path: Path, words: list[str], fault: str) -> None:
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name)
    (tmp_path / "old.json").write_text("{}")
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert err[-1].startswith(f"denoise: {fault}"), err
    assert names(tmp_path) == ["a.wav", "b.wav", "old.json"]


def test_after_an_interrupt_the_document_says_so(tmp_path: Path) -> None:
    write_noise(tmp_path / "1.wav", 0.5)
    write_noise(tmp_path / "2.wav", 1200)
    process = subprocess.Popen(
        [*COMMAND, "1.wav", "2.wav", "--json", "r.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=take_interrupts,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"1.wav -> ")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == b"denoise: interrupted\n"
    assert process.returncode == 130
    document = json.loads((tmp_path / "r.json").read_text())
    check(document)
    assert document["complete"] is False
    assert [file["src"] for file in document["files"]] == ["1.wav"]


@pytest.mark.slow
def test_after_an_interrupt_what_was_done_out_of_order_counts_and_is_passed_over(tmp_path: Path) -> None:
    write_noise(tmp_path / "1.wav", 1200)
    for name in ("2.wav", "3.wav"):
        write_noise(tmp_path / name, 0.5)
    command = [*COMMAND, "1.wav", "2.wav", "3.wav", "--jobs", "2", "--resume-from", "r.jsonl"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=take_interrupts,
        text=True,
    ) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "3.denoised.wav").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "denoise: interrupted\n")
    assert [line.split(":")[0] for line in said.splitlines()[:2]] == [
        f"{i}.wav -> {i}.denoised.wav" for i in (2, 3)
    ]
    assert "2 done, 0 partial, 0 failed, 1 not processed" in said
    write_noise(tmp_path / "1.wav", 0.5)
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout.startswith("2 done before, 1 to go (r.jsonl)\n1.wav -> ")
