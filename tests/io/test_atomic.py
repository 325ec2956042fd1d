"""Files that are written whole or not at all."""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nmf_audio.errors import AudioFileError
from nmf_audio.io import temporary as temporary_files
from nmf_audio.io.atomic import check_target, replacing, replacing_all
from nmf_audio.io.temporary import remove_leftovers


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o400, 0o777])
def test_the_mode_is_no_wider_than_that_of_the_source_or_the_old_file(tmp_path: Path, mode: int) -> None:
    source, old, new = (tmp_path / name for name in ("source", "old", "new"))
    for path in (source, old):
        path.write_text("secret")
    source.chmod(mode)
    old.chmod(0o664)
    with umask(0o002), replacing_all([new, old], force=True, sources=[source]) as temporaries:
        for temporary in temporaries:
            assert temporary.stat().st_mode & 0o077 == mode & 0o064
            temporary.write_text("what was made of it")
    assert [path.stat().st_mode & 0o777 for path in (new, old)] == [mode & 0o664] * 2
    # of the file that is replaced, without sources
    with umask(0o000), replacing(new, force=True) as temporary:
        temporary.write_text("other")
    assert new.stat().st_mode & 0o777 == mode & 0o664


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
@pytest.mark.parametrize("force", [False, True])
def test_the_mode_is_what_the_umask_gives(tmp_path: Path, mask: int, mode: int, force: bool) -> None:
    target = tmp_path / "a"
    with umask(mask), replacing(target, force=force) as temporary:
        assert temporary.parent.samefile(tmp_path)
        temporary.write_text("new")
    assert target.stat().st_mode & 0o777 == mode
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a"
    target.write_text("old")

    def half_way() -> None:
        with replacing(target, force=True) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        half_way()
    assert names(tmp_path) == ["a"]
    assert target.read_text() == "old"


def test_the_target_is_absent_until_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with replacing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
    assert target.exists()


def test_what_exists_is_replaced_by_force_only(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(AudioFileError, match="exists; give force=True"), replacing(target):
        pytest.fail("must not get here")
    with replacing(target, force=True) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


@pytest.mark.parametrize("hard_links", [True, False])
def test_what_appears_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    if not hard_links:

        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "a"
    with pytest.raises(AudioFileError, match="appeared while"), replacing(target):
        target.write_text("another program's")
    assert target.read_text() == "another program's"
    assert names(tmp_path) == ["a"]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "link"
    link.symlink_to(elsewhere / "real")
    with replacing(link) as temporary:
        assert temporary.parent.samefile(elsewhere)
        temporary.write_text("new")
    assert link.is_symlink()
    assert (elsewhere / "real").read_text() == "new"
    with pytest.raises(AudioFileError, match="exists"):
        check_target(link)


def test_special_files_and_folders_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name, words in [
            ("pipe", "not a regular file"),
            ("socket", "not a regular file"),
            ("null", "not a regular file"),
            ("folder", "is a folder"),
        ]:
            with pytest.raises(AudioFileError, match=words):
                check_target(tmp_path / name, force=True)


def test_the_input_is_never_the_target(tmp_path: Path) -> None:
    source, other = tmp_path / "in", tmp_path / "other"
    source.write_text("precious")
    other.write_text("another input")
    (tmp_path / "symbolic").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    for target in ("in", "symbolic", "hard", "../" + tmp_path.name + "/in"):
        with pytest.raises(AudioFileError, match="is the input"):
            check_target(tmp_path / target, sources=[other, source], force=True)


def test_folders_that_cannot_take_it_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target, words in [
        (tmp_path / "none" / "a", "there is no folder"),
        (tmp_path / "file" / "a", "there is no folder"),
        (tmp_path / ("x" * 300), "File name too long"),
    ]:
        with pytest.raises(AudioFileError, match=words):
            check_target(target)


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(AudioFileError, match="no permission to write to the folder"):
        check_target(tmp_path / "a")


def test_a_disk_that_refuses_the_file_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(AudioFileError, match="a: can't be written: Read-only file system"),
        replacing(tmp_path / "a"),
    ):
        pytest.fail("must not get here")


@pytest.mark.parametrize("force", [False, True])
def test_several_files_are_there_all_or_none(tmp_path: Path, force: bool) -> None:
    targets = [tmp_path / name for name in ("a", "b", "c")]
    if force:
        targets[0].write_text("before")
    with replacing_all(targets, force=force) as temporaries:
        for target, temporary in zip(targets, temporaries, strict=True):
            temporary.write_text(f"new {target.name}")
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["new a", "new b", "new c"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("links", [False, True])
def test_one_that_fails_takes_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool, links: bool
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    targets = [tmp_path / name for name in ("a", "b", "c")]
    if force:
        targets[0].write_text("before")

    def write_and_disturb() -> None:
        with replacing_all(targets, force=force) as temporaries:
            for temporary in temporaries:
                temporary.write_text("new")
            targets[2].mkdir()

    with pytest.raises(AudioFileError, match="c: "):
        write_and_disturb()
    targets[2].rmdir()
    assert [path.name for path in tmp_path.iterdir()] == (["a"] if force else [])
    assert not force or targets[0].read_text() == "before"


def test_a_folder_may_be_renamed_meanwhile(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with replacing_all([before / "a", before / "b"]) as temporaries:
        before.rename(after)
        for temporary in temporaries:
            temporary.write_text("new")
    assert names(after) == ["a", "b"]


@pytest.mark.parametrize("force", [False, True])
def test_what_is_killed_between_two_files_is_taken_back_by_the_next(tmp_path: Path, force: bool) -> None:
    targets = [tmp_path / name for name in ("a", "b", "c")]
    if force:
        for target in targets:
            target.write_text("before")
    end_in_a_process(tmp_path, "place", n_calls=2, force=force)
    assert (tmp_path / "c").read_text() == "new"
    assert len(names(tmp_path)) > len(targets)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == (["a", "b", "c"] if force else [])
    assert all(target.read_text() == "before" for target in targets if force)


def test_what_is_whole_stays_when_its_process_is_killed(tmp_path: Path) -> None:
    end_in_a_process(tmp_path, "remove", n_calls=2, force=False)
    assert len(names(tmp_path)) > 3
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["a", "b", "c"]


def end_in_a_process(folder: Path, method: str, *, n_calls: int, force: bool) -> None:
    """Write a, b and c in another process that ends at once in the n-th call of a method of `TemporaryFile`."""
    code = f"""if True:
        import os
        from nmf_audio.io.atomic import replacing_all
        from nmf_audio.io.temporary import TemporaryFile
        calls, call = [], TemporaryFile.{method}
        def counted(self, **options):
            calls.append(1)
            if len(calls) == {n_calls}:
                os._exit(9)
            call(self, **options)
        TemporaryFile.{method} = counted
        with replacing_all(["a", "b", "c"], force={force}) as temporaries:
            for temporary in temporaries:
                temporary.write_text("new")
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | {"PYTHONPATH": str(root)}, check=False
    )
    assert done.returncode == 9


def test_a_file_that_is_not_locked_yet_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = []

    def lock(file: int) -> bool:
        locks.append(file)
        return len(locks) > 1

    monkeypatch.setattr(temporary_files, "lock", lock)
    with replacing(tmp_path / "a") as path:
        path.write_text("new")
    assert len(locks) == 2
    assert names(tmp_path) == ["a"]


def test_what_was_left_before_the_system_was_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(changed: float, **words: str) -> None:
        with monkeypatch.context() as patch:
            for name, word in words.items():
                patch.setattr(temporary_files, name, lambda word=word: word)
            file = temporary_files.TemporaryFile(tmp_path / "a", "0" * 16, 0o600)
        name = file.path.name
        file.remove()
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (changed, changed))

    leave(1.0, _system="0" * 8)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []
    # of another computer that shares the folder, or what still changes
    leave(1.0, _system="0" * 8, _computer="1" * 8)
    leave(time.time(), _system="0" * 8)
    remove_leftovers(tmp_path)
    assert len(names(tmp_path)) == 2
