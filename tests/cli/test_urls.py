"""Recordings in stores and on servers: the same bytes as by path, whole or not at all, and what goes wrong."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nmf_audio import AudioFileError, MissingExtraError, Separator, denoise_file, denoise_files, separate_file
from nmf_audio.io import remote
from nmf_audio.io.remote import Url
from tests.cli.helpers import Run
from tests.tiny import tiny_dictionary, write_noise

fsspec = pytest.importorskip("fsspec")
MemoryFileSystem: Any = fsspec.get_filesystem_class("memory")
OPTIONS: dict[str, Any] = {"dictionary": tiny_dictionary(), "method": "classic"}


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "a.wav", 1)


@pytest.fixture
def store(talk: Path) -> Iterator[Any]:
    """An object store in memory that holds ``talks/a.wav``."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pipe("/talks/a.wav", talk.read_bytes())
    yield memory
    memory.store.clear()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The folder of the test on the web."""
    pytest.importorskip("aiohttp")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if "secret" in self.path:
                self.send_error(403)
            elif "half" in self.path:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(bytes(500))
            else:
                super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_outputs_in_a_store_are_those_on_a_disk(store: Any, talk: Path, tmp_path: Path) -> None:
    here = denoise_file(talk, keep_noise=tmp_path / "rest.wav", **OPTIONS)
    there = denoise_file("memory://talks/a.wav", keep_noise="memory://rest/rest.wav", **OPTIONS)
    assert (str(there.src), str(there.dst)) == ("memory://talks/a.wav", "memory://talks/a.denoised.wav")
    assert str(there.keep_noise) == "memory://rest/rest.wav"
    assert store.cat("/talks/a.denoised.wav") == here.dst.read_bytes()
    assert store.cat("/rest/rest.wav") == (tmp_path / "rest.wav").read_bytes()
    assert there.noise_removed_db == here.noise_removed_db


def test_parts_in_a_store(store: Any, talk: Path) -> None:
    separator = Separator(tiny_dictionary())
    here = separate_file(talk, separator=separator, residual=True)
    there = separate_file("memory://talks/a.wav", separator=separator, residual=True)
    assert [str(part) for part in there.parts.values()] == [
        f"memory://talks/{p.name}" for p in here.parts.values()
    ]
    for name, part in here.parts.items():
        assert store.cat(f"/talks/{there.parts[name].name}") == part.read_bytes()


def test_from_the_web_to_a_file_and_of_a_file_by_url(server: str, talk: Path, tmp_path: Path) -> None:
    expected = denoise_file(talk, **OPTIONS).dst.read_bytes()
    report = denoise_file(f"{server}/a.wav?key=1", tmp_path / "b.wav", **OPTIONS)
    assert str(report.src) == f"{server}/a.wav?key=1"
    assert report.dst.read_bytes() == expected
    by_url = denoise_file(talk.as_uri(), (tmp_path / "c.wav").as_uri(), noise=talk.as_uri(), **OPTIONS)
    assert by_url.dst == tmp_path / "c.wav"
    assert by_url.src == talk


def test_what_is_wrong_names_the_url_and_leaves_nothing(
    store: Any, server: str, talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe("/talks/none.wav", b"no recording")
    web = f"{server}/a.wav"
    for src, dst, message in [
        ("memory://talks/gone.wav", None, "memory://talks/gone.wav: is not there"),
        ("memory://talks/none.wav", None, "memory://talks/none.wav: holds no audio"),
        ("memory://talks/a.wav", "memory://talks/a.wav", "is the input itself"),
        (
            "memory://talks/a.wav",
            "memory://talks/none.wav",
            "none.wav: exists; give force=True to replace it",
        ),
        ("memory://talks/a.wav", "memory://talks/b.xyz", "xyz"),
        (web, None, "can't be written to; name a file, or an object store"),
        (f"{server}/gone.wav", tmp_path / "x.wav", "gone.wav: is not there"),
        ("odd://a/b.wav", tmp_path / "x.wav", "odd://a/b.wav: can't be read: Protocol not known: odd"),
        (
            f"{server}/secret.wav",
            tmp_path / "x.wav",
            "secret.wav: can't be read: no permission (the server answered 403 Forbidden)",
        ),
        (f"{server}/half.wav", tmp_path / "x.wav", "the connection ended before all of it was sent"),
        ("http://127.0.0.1:9/a.wav", tmp_path / "x.wav", "http://127.0.0.1:9/a.wav: can't be read"),
    ]:
        with pytest.raises(AudioFileError) as caught:
            denoise_file(src, dst, **OPTIONS)
        assert message in str(caught.value)
        assert "nmf_audio_" not in str(caught.value)
    assert sorted(store.find("/")) == ["/talks/a.wav", "/talks/none.wav"]
    assert not (tmp_path / "x.wav").exists()
    denoise_file(talk, "memory://talks/none.wav", force=True, **OPTIONS)
    assert len(store.cat("/talks/none.wav")) > 12
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match="URLs need fsspec; install it with: pip install fsspec"):
        denoise_file("memory://talks/a.wav", **OPTIONS)


def test_outputs_are_stored_all_or_none(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = type(store).put_file

    def put_file(self: Any, path: str, to: str, **keywords: Any) -> None:
        genuine(self, path, to, **keywords)
        if to.endswith("clean.wav"):
            raise OSError("the connection is lost")

    monkeypatch.setattr(type(store), "put_file", put_file)
    with pytest.raises(
        AudioFileError, match=r"memory://clean\.wav: can't be written: the connection is lost"
    ):
        denoise_file("memory://talks/a.wav", "memory://clean.wav", keep_noise="memory://rest.wav", **OPTIONS)
    assert list(store.find("/")) == ["/talks/a.wav"]
    # of what was there before, the store decides what is left
    store.pipe("/clean.wav", b"mine")
    with pytest.raises(AudioFileError, match="the connection is lost"):
        denoise_file("memory://talks/a.wav", "memory://clean.wav", force=True, **OPTIONS)
    assert store.exists("/clean.wav")


class Buckets(MemoryFileSystem):  # type: ignore[misc]
    """An object store that makes a bucket as soon as a folder in it is made, and refuses some."""

    protocol = "s3"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = ["", "/talks"]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("s3:/")))

    def put_file(self, path: str, to: str, **keywords: Any) -> None:
        bucket = to.split("/")[1]
        if bucket == "theirs":
            raise PermissionError("Access Denied")
        if f"/{bucket}" not in self.pseudo_dirs:
            raise FileNotFoundError(to)
        super().put_file(path, to, **keywords)


def test_no_bucket_is_made_of_a_misspelt_name(talk: Path) -> None:
    fsspec.register_implementation("s3", Buckets, clobber=True)
    denoise_file(talk, "s3://talks/2026/clean.wav", **OPTIONS)
    for bucket, message in (
        ("takls", "can't be written: there is no such bucket or folder"),
        ("theirs", r"can't be written: no permission \(Access Denied\)"),
    ):
        with pytest.raises(AudioFileError, match=f"s3://{bucket}/2026/clean.wav: {message}"):
            denoise_file(talk, f"s3://{bucket}/2026/clean.wav", **OPTIONS)
    assert list(Buckets.store) == ["/talks/2026/clean.wav"]
    assert "/takls" not in Buckets.pseudo_dirs


def test_many_of_them_one_of_which_is_missing(store: Any, talk: Path, tmp_path: Path) -> None:
    files: list[Any] = ["memory://talks/a.wav", "memory://talks/b.wav", talk, (talk, "memory://x.wav")]
    reports = list(denoise_files(files, **OPTIONS))
    assert [report.status for report in reports] == ["done", "failed", "done", "done"]
    again = list(denoise_files(files[:1], skip_existing=True, **OPTIONS))
    assert [report.status for report in again] == ["skipped"]
    assert store.exists("/x.wav")


def test_urls_on_the_command_line(run: Run, store: Any, talk: Path, tmp_path: Path) -> None:
    store.pipe("/talks/late/b.wav", talk.read_bytes())
    store.pipe("/talks/notes.txt", b"none")
    code, out, err = run("-r", "memory://talks", "--output-dir", "memory://clean")
    assert (code, err) == (0, [])
    assert out[0].startswith("memory://talks/a.wav -> memory://clean/a.denoised.wav: 1.0 s in ")
    assert sorted(store.find("/clean")) == ["/clean/a.denoised.wav", "/clean/late/b.denoised.wav"]


def test_patterns_lists_and_what_was_done_before(run: Run, store: Any, talk: Path, tmp_path: Path) -> None:
    store.pipe("/talks/b.wav", talk.read_bytes())
    (tmp_path / "list.csv").write_text("path,end\nmemory://talks/a.wav,0.5\n")
    words = [
        "memory://talks/[ab].wav",
        "--files-from",
        "list.csv",
        "--output-dir",
        "clean",
        "--json",
        "r.jsonl",
    ]
    code, _, err = run(*words, "--noise", "memory://talks/b.wav")
    assert (code, err) == (0, [])
    names = ["a.-0.5.denoised.wav", "a.denoised.wav", "b.denoised.wav"]
    assert sorted(path.name for path in Path("clean").iterdir()) == names
    words[-2:] = ["--resume-from", "r.jsonl"]
    assert run(*words, "--noise", "memory://talks/b.wav")[1] == ["3 done before, 0 to go (r.jsonl)"]
    assert run("memory://talks/*.flac")[0] == 2


def test_a_url_is_no_path_when_it_runs() -> None:
    url = Url("https://example.org/a%20b/talk.wav")
    assert not isinstance(url, Path)
    assert str(url.with_name("x.wav")) == "https://example.org/a%20b/x.wav"
    assert url == Url(str(url))
    assert len({url, Url(str(url))}) == 1
    assert remote.identify(url) == str(url)
