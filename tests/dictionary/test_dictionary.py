from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmf_audio import Dictionary, DictionaryError, FrontEndSpec, Group, ParameterError
from nmf_audio.dictionary import load_dictionary, shipped_dictionaries
from nmf_audio.dictionary.folders import home_folder, own_dictionaries
from tests.tiny import dictionary_with_memory, memory_arrays

SPEC = FrontEndSpec(n_high=6)


def small(**changes: Any) -> Dictionary:
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "kind": "plain",
        "spec": SPEC,
        "spectrum": np.ones(SPEC.n_bands, np.float32),
        "arrays": {"W": rng.random((SPEC.n_bands, 5), dtype=np.float32)},
        "groups": (
            Group("speech", "speech", 0, 2),
            Group("rain", "noise", 2, 3),
            Group("wind", "noise", 3, 5),
        ),
        "meta": {"seed": 3, "licence": "CC0"},
    }
    return Dictionary(**{**values, **changes})


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    dictionary = small()
    dictionary.save(tmp_path / "mine.npz")
    loaded = Dictionary.load(tmp_path / "mine.npz")
    assert loaded.name == "mine"
    assert (loaded.kind, loaded.spec, loaded.groups, loaded.beta, loaded.power) == (
        dictionary.kind,
        dictionary.spec,
        dictionary.groups,
        dictionary.beta,
        dictionary.power,
    )
    assert dict(loaded.meta) == dict(dictionary.meta)
    np.testing.assert_array_equal(loaded.arrays["W"], dictionary.arrays["W"])
    assert loaded.sha256 == dictionary.sha256
    assert [p.name for p in tmp_path.iterdir()] == ["mine.npz"]


def test_the_same_dictionary_gives_the_same_bytes(tmp_path: Path) -> None:
    small().save(tmp_path / "a.npz")
    small().save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_it_is_plain_numpy(tmp_path: Path) -> None:
    small().save(tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz", allow_pickle=False) as archive:
        meta = json.loads(str(archive["meta"]))
        assert meta["provenance"]["licence"] == "CC0"
        assert archive["W"].shape == (SPEC.n_bands, 5)


def test_columns_by_source() -> None:
    dictionary = small()
    W = dictionary.arrays["W"]
    assert dictionary.sources == ("speech", "noise")
    np.testing.assert_array_equal(dictionary.columns("noise"), W[:, 2:])
    assert dictionary.n_components("noise") == 3
    with pytest.raises(ParameterError, match="source='music'"):
        dictionary.columns("music")


def test_it_can_be_pickled_and_not_be_changed() -> None:
    dictionary = pickle.loads(pickle.dumps(small()))
    assert dictionary.sha256 == small().sha256
    with pytest.raises(ValueError, match="read-only"):
        dictionary.arrays["W"][0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "magic"}, "kind='magic'"),
        ({"spectrum": np.zeros(SPEC.n_bands, np.float32)}, "spectrum"),
        ({"spectrum": np.ones(3, np.float32)}, "spectrum"),
        ({"arrays": {}}, "just 'W'"),
        ({"arrays": {"W": np.ones((3, 5), np.float32)}}, "W has shape"),
        ({"arrays": {"W": -np.ones((SPEC.n_bands, 5), np.float32)}}, "negative"),
        ({"arrays": {"W": np.full((SPEC.n_bands, 5), np.nan, np.float32)}}, "not finite"),
        ({"arrays": {"W": np.ones((SPEC.n_bands, 5))}}, "float64"),
        ({"arrays": {"W": np.zeros((SPEC.n_bands, 5), np.float32)}}, "all zero"),
        ({"groups": (Group("speech", "speech", 0, 4),)}, "cover 4"),
        ({"groups": (Group("speech", "speech", 1, 5),)}, "starts at 1"),
        ({"beta": 9.0}, "beta"),
        (
            {"groups": (Group("a", "speech", 0, 1), Group("b", "noise", 1, 2), Group("c", "speech", 2, 5))},
            "stand together",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DictionaryError, match=message):
        small(**changes)


@pytest.mark.parametrize("second", [False, True])
def test_a_gated_memory_comes_back_as_it_was_saved(tmp_path: Path, second: bool) -> None:
    dictionary = dictionary_with_memory(second=second)
    dictionary.save(tmp_path / "mine.npz")
    loaded = Dictionary.load(tmp_path / "mine.npz")
    assert ("second_in" in loaded.arrays) is second
    assert loaded.sha256 == dictionary.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"local_in": None}, r"lacks the arrays \['local_in'\]"),
        ({"second_up": None}, r"lacks the arrays \['second_up'\]"),
        (dict.fromkeys(memory_arrays(8, 3, second=False)), r"lacks the arrays \['global_back'"),
        ({"third_in": np.zeros(3)}, r"\['third_in'\] too many"),
        ({"local_back": np.zeros((0, 0))}, "1 to 1024 units"),
        ({"local_back": np.zeros(18)}, "two dimensions"),
        ({"global_back": np.zeros((1025, 3 * 1025))}, "1 to 1024 units"),
        ({"second_up": np.zeros((7, 0))}, "1 to 1024 units"),
        ({"second_back": np.zeros((2, 6))}, "'second_in' has shape"),
        ({"local_in": np.zeros((24, 17))}, "'local_in' has shape"),
        ({"local_bias": np.zeros(18)}, "'local_bias' has shape"),
        ({"head_mask": np.zeros((7, 99))}, "'head_mask' has shape"),
        ({"global_bias": np.full(21, np.nan)}, "not finite"),
        ({"global_bias": np.full(21, -2e4)}, r"'global_bias' has values beyond \+-10000"),
    ],
)
def test_a_gated_memory_that_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    d = dictionary_with_memory()
    arrays = {name: array for name, array in d.arrays.items() if name not in changes}
    arrays |= {name: np.asarray(x, np.float32) for name, x in changes.items() if x is not None}
    with pytest.raises(DictionaryError, match=message):
        Dictionary("trained", d.spec, d.spectrum, arrays, d.groups)


def test_a_gated_memory_needs_whole_groups_of_bands() -> None:
    d = dictionary_with_memory()
    spec = replace(d.spec, n_high=d.spec.n_high - 1)
    cut = {"W": 1, "W_out": 0, "out_floor": 1, "run_gain": 1, "residual": 0}
    arrays = {
        name: np.delete(array, -1, cut[name]) if name in cut else array for name, array in d.arrays.items()
    }
    arrays["W"] /= arrays["W"].sum(axis=1, keepdims=True)
    with pytest.raises(DictionaryError, match=r"n_bands=99; .* a multiple of 4"):
        Dictionary("trained", spec, d.spectrum[:-1], arrays, d.groups)


def rewritten(tmp_path: Path, change: Any) -> Path:
    """Save a good dictionary, let `change` alter its members (name -> bytes), write them back."""
    path = tmp_path / "bad.npz"
    small().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy(array: Any, **kwargs: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **kwargs)
    return buffer.getvalue()


def altered_meta(members: dict[str, bytes], **changes: Any) -> None:
    meta = json.loads(str(np.load(io.BytesIO(members["meta.npy"]))))
    members["meta.npy"] = npy(np.array(json.dumps({**meta, **changes})))


def huge_header(members: dict[str, bytes]) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    members["W.npy"] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"1234"


def header_that_is_a_program(members: dict[str, bytes]) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1L, (, }\n"
    members["W.npy"] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"1234"


HOSTILE = {
    "header that is no tuple": header_that_is_a_program,
    "pickle": lambda m: m.update({"W.npy": npy(np.array([print], object), allow_pickle=True)}),
    "claims a terabyte": huge_header,
    "no meta": lambda m: m.pop("meta.npy"),
    "meta is not JSON": lambda m: m.update({"meta.npy": npy(np.array("hello"))}),
    "meta is deep": lambda m: m.update({"meta.npy": npy(np.array("[" * 100000))}),
    "a version that is very long": lambda m: altered_meta(m, format_version=9999 * [1]),
    "a spec that is very long": lambda m: altered_meta(m, spec={**SPEC.to_dict(), "whitening": 9999 * [1]}),
    "meta is a list": lambda m: m.update({"meta.npy": npy(np.array("[1]"))}),
    "other version": lambda m: altered_meta(m, format_version=99),
    "groups out of range": lambda m: altered_meta(m, groups=[["a", "speech", 0, 10**9]]),
    "groups without end": lambda m: altered_meta(m, groups=[["a", "speech", 0, float("inf")]]),
    "a source that leads elsewhere": lambda m: altered_meta(m, groups=[["a", "x/../../evil", 0, 5]]),
    "a source with a zero byte": lambda m: altered_meta(m, groups=[["a", "x\0y", 0, 5]]),
    "a group that moves the cursor": lambda m: altered_meta(m, groups=[["\x1b[2J", "speech", 0, 5]]),
    "a group that turns the writing round": lambda m: altered_meta(m, groups=[["a\u202eb", "speech", 0, 5]]),
    "groups are no list": lambda m: altered_meta(m, groups=7),
    "spec with an infinite frame": lambda m: altered_meta(m, spec={**SPEC.to_dict(), "frame_seconds": 1e308}),
    "beta is NaN": lambda m: altered_meta(m, beta=float("nan")),
    "a licence that is no text": lambda m: altered_meta(m, provenance={"licence": 7}),
    "commands that are no list": lambda m: altered_meta(m, provenance={"commands": "rm"}),
    "versions that are no texts": lambda m: altered_meta(m, provenance={"versions": {"numpy": [2]}}),
    "scores that are no table": lambda m: altered_meta(m, provenance={"compared": [1]}),
    "recordings without seconds": lambda m: altered_meta(m, provenance={"trained_on": [{"source": "a"}]}),
    "endless recordings": lambda m: altered_meta(
        m,
        provenance={
            "trained_on": [
                {"source": "a", "origin": "b", "licence": "c", "recordings": 1, "seconds": 10**400}
            ]
        },
    ),
    "groups that are no texts": lambda m: altered_meta(
        m,
        provenance={
            "held_out": [{"source": "a", "groups": [1], "origins": ["b"], "recordings": 1, "seconds": 1}]
        },
    ),
    "wrong hash": lambda m: altered_meta(m, sha256="0" * 64),
    "changed numbers": lambda m: m.update({"W.npy": npy(np.ones((SPEC.n_bands, 5), np.float32))}),
    "spectrum missing": lambda m: m.pop("spectrum.npy"),
    "too many arrays": lambda m: m.update({f"x{i}.npy": npy(np.zeros(1, np.float32)) for i in range(100)}),
    "path in the name": lambda m: m.update({"../../evil.txt": b"x"}),
    "cut array": lambda m: m.update({"W.npy": m["W.npy"][:-3]}),
    "an array of a very long name": lambda m: m.update({f"{'x' * 60000}.npy": npy(np.zeros(1, np.float32))}),
    "no header": lambda m: m.update({"W.npy": b"abc"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    path = rewritten(tmp_path, HOSTILE[name])
    with pytest.raises(DictionaryError, match=r"bad\.npz") as caught:
        Dictionary.load(path)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    path = rewritten(tmp_path, lambda m: m.update({"W.npy": bytes(200 * 2**20)}))
    assert path.stat().st_size < 2**20
    with pytest.raises(DictionaryError, match="at most"):
        Dictionary.load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_are_refused(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("meta.npy", npy(np.array("{}")))
    with pytest.raises(DictionaryError, match="compressed in another way"):
        Dictionary.load(path)


@pytest.mark.parametrize("n_entries", [70, pytest.param(70_000, marks=pytest.mark.slow)])
def test_a_directory_of_very_many_entries_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_entries: int
) -> None:
    """In 32 bits, where the end record tells, and in 64 bits, where another record would."""
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(n_entries):
            archive.writestr(f"{i}.npy", b"")
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    with pytest.raises(DictionaryError, match="entries; at most 64"):
        Dictionary.load(path)


def test_what_a_damaged_directory_says_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    small().save(path)
    content = bytearray(path.read_bytes())
    # the length of the first member's name, where the member stands
    content[26:28] = b"\xff\xff"
    path.write_bytes(content)
    with pytest.raises(DictionaryError, match=r"File name in directory 'meta\.npy' and header") as caught:
        Dictionary.load(path)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("cut", [0, 1, 100, 400, -30, -1])
def test_truncated_files_are_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "bad.npz"
    small().save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DictionaryError, match=r"bad\.npz"):
        Dictionary.load(path)


def test_flipped_bytes_never_do_worse_than_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    small().save(path)
    good = path.read_bytes()
    reference = Dictionary.load(path).sha256
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(good), 300):
        data = bytearray(good)
        data[position] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data))
        try:
            loaded = Dictionary.load(path)
        except DictionaryError:
            continue
        assert loaded.sha256 == reference


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="nowhere"):
        load_dictionary(tmp_path / "nowhere.npz")
    with pytest.raises(DictionaryError, match="plain"):
        load_dictionary("no-such-name")
    with pytest.raises(ParameterError, match="dictionary=3"):
        load_dictionary(3)  # type: ignore[arg-type]


def test_a_folder_that_is_missing_is_said_when_saving(tmp_path: Path) -> None:
    with pytest.raises(
        DictionaryError, match=r"mine.npz: the dictionary can't be written: there is no folder"
    ):
        small().save(tmp_path / "nowhere" / "mine.npz")


def test_what_can_not_be_saved_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.npz"
    small().save(path)
    before = path.read_bytes()
    small().save(path)
    assert path.read_bytes() == before

    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile.ZipFile.writestr", no_room)
    with pytest.raises(DictionaryError, match="can't be written: No space left on device"):
        small().save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.npz"]
    assert path.read_bytes() == before


def test_a_home_that_can_not_be_looked_into_has_no_dictionaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMF_AUDIO_HOME", "x" * 5000)
    assert own_dictionaries() == {}
    small().save(tmp_path / "a.npz")
    assert load_dictionary(str(tmp_path / "a.npz")).name == "a"
    with pytest.raises(DictionaryError, match="is neither a file nor"):
        load_dictionary("mine")


def test_your_own_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMF_AUDIO_HOME", str(tmp_path / "home"))
    assert own_dictionaries() == {}
    (tmp_path / "home").mkdir()
    for path in ("home/mine.npz", "home/plain.npz", "outside.npz"):
        small().save(tmp_path / path)
    assert own_dictionaries() == {name: tmp_path / "home" / f"{name}.npz" for name in ("mine", "plain")}
    assert load_dictionary("mine").sha256 == small().sha256
    # a shipped one wins, and so does your own over a file that is only called so
    assert load_dictionary("plain").sha256 != small().sha256
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("no dictionary")
    assert load_dictionary("mine").name == "mine"
    with pytest.raises(DictionaryError, match="no dictionary file"):
        load_dictionary(Path("mine"))
    # no name leads out of the folder
    for name in ("../outside", "sub/../../outside", str(tmp_path / "outside"), ""):
        with pytest.raises(
            DictionaryError, match=r"neither a file nor one of .* of your own in .*: mine, plain"
        ):
            load_dictionary(name)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/me/.local/share/nmf-audio"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/nmf-audio"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "/home/me/Library/Application Support/nmf-audio"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/nmf-audio"),
        ("linux", {"NMF_AUDIO_HOME": "/mine", "XDG_DATA_HOME": "/data"}, "/mine"),
        ("linux", {"NMF_AUDIO_HOME": ""}, "/home/me/.local/share/nmf-audio"),
    ],
)
def test_the_folder_of_your_own(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], expected: str
) -> None:
    for name in ("NMF_AUDIO_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, text in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("sys.platform", platform)
    assert home_folder().as_posix() == expected


def test_shipped_dictionaries_load_and_stay_small() -> None:
    shipped = shipped_dictionaries()
    assert shipped
    for name, path in shipped.items():
        dictionary = load_dictionary(name)
        assert {"speech", "noise"} <= set(dictionary.sources)
        assert path.stat().st_size < 4_000_000
        assert path.with_suffix(".md").is_file(), f"{name} has no card"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arrays": {"W": np.full((SPEC.n_bands, 5), 3e38, np.float32)}}, r"W has values above 1e\+15"),
        ({"spectrum": np.full(SPEC.n_bands, 1e-38, np.float32)}, r"values from 1e-15 to 1e\+15"),
    ],
)
def test_extreme_values_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DictionaryError, match=said):
        small(**changes)


UNTYPED: Any = Group


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("spectrum", None),
            ("spectrum", [1.0]),
            ("arrays", None),
            ("arrays", {"W": [[1.0]]}),
            ("meta", None),
        ),
        *(("groups", None), ("groups", ("speech",)), ("groups", (UNTYPED("a", "a", 0.0, 10),))),
        *(
            ("groups", (UNTYPED(None, "a", 0, 10),)),
            ("beta", "1"),
            ("power", None),
            ("spec", {}),
            ("kind", None),
        ),
    ],
)
def test_parts_of_the_wrong_type_are_refused(field: str, value: object) -> None:
    good = load_dictionary("plain")
    parts = {part.name: getattr(good, part.name) for part in fields(good)}
    with pytest.raises(DictionaryError):
        Dictionary(**{**parts, field: value})


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/dev/zero"])
def test_names_that_are_no_files_are_refused(name: str) -> None:
    with pytest.raises(DictionaryError):
        load_dictionary(name)
    with pytest.raises(DictionaryError):
        Dictionary.load(name)
    with pytest.raises(ParameterError):
        Dictionary.load(None)  # type: ignore[arg-type]
