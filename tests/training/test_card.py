"""The card tells sources, licences, the command and the hash; manifests are read with care."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmf_audio.dictionary import Dictionary, load_dictionary, shipped_dictionaries
from nmf_audio.errors import DictionaryError, ParameterError
from nmf_audio.training.card import (
    Origin,
    card_path,
    card_text,
    program_versions,
    read_manifest,
    trained_on,
    write_card,
)
from tests.tiny import tiny_dictionary

META = {
    "licence": "CC BY-SA 4.0",
    "commands": ["nmf-audio train speech voices -o tiny.npz"],
    "versions": {"nmf-audio": "9.9", "numpy": "8.8"},
    "trained_on": [
        {
            "source": "speech",
            "origin": "Some | Corpus",
            "licence": "CC BY 4.0",
            "recordings": 7,
            "seconds": 90.0,
        }
    ],
    "held_out": [
        {
            "source": "noise",
            "groups": ["bells", "rain"],
            "origins": ["ESC"],
            "recordings": 3,
            "seconds": 30.0,
        }
    ],
    "training": [
        {"source": "speech", "n_frames": 500, "max_iter": 60, "seed": 3, "cost_per_frame": 12.5},
    ],
}


@pytest.fixture
def dictionary() -> Dictionary:
    return replace(tiny_dictionary(), meta=META)


def test_the_card_tells_all_that_is_known(dictionary: Dictionary) -> None:
    text = card_text(dictionary)
    for fact in (
        "# Dictionary `tiny`",
        "8 speech + 2 noise",
        "CC BY-SA 4.0",
        "nmf-audio 9.9, numpy 8.8",
        dictionary.sha256,
        "    nmf-audio train speech voices -o tiny.npz",
        r"| speech | Some \| Corpus | CC BY 4.0 | 7 | 1.5 |",
        "| noise | bells, rain | ESC | 3 | 0.5 |",
        "| noise | noise | 2 |",
        "| speech | 500 | 60 | 3 | 12.5 |",
    ):
        assert fact in text


def test_tables_have_as_many_cells_in_every_row(dictionary: Dictionary) -> None:
    for block in card_text(dictionary).split("\n\n"):
        rows = [line.replace(r"\|", "").count("|") for line in block.splitlines() if line.startswith("|")]
        assert len(set(rows)) <= 1


def test_what_is_not_known_is_said_to_be_so() -> None:
    text = card_text(tiny_dictionary())
    assert "| licence | not stated |" in text
    assert "Not stated." in text
    assert "Held out" not in text


def test_the_card_lies_beside_the_dictionary(dictionary: Dictionary, tmp_path: Path) -> None:
    path = write_card(dictionary, tmp_path / "tiny.npz")
    assert path == card_path(tmp_path / "tiny.npz") == tmp_path / "tiny.md"
    assert path.read_text(encoding="utf-8") == card_text(dictionary)
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.md"]
    with pytest.raises(DictionaryError, match="can't be written"):
        write_card(dictionary, tmp_path / "absent" / "tiny.npz")


@pytest.mark.parametrize("column", ["license", "licence"])
def test_a_manifest_names_recordings_from_its_own_folder(tmp_path: Path, column: str) -> None:
    table = tmp_path / "manifest.csv"
    table.write_text(
        f"seconds,path,source,{column}\n1,a/b.wav,LibriX,CC BY 4.0\n2,c.wav,ESC,CC0\n", encoding="utf-8"
    )
    assert read_manifest(table) == {
        (tmp_path / "a/b.wav").resolve(): Origin("LibriX", "CC BY 4.0"),
        (tmp_path / "c.wav").resolve(): Origin("ESC", "CC0"),
    }


@pytest.mark.parametrize(
    "content", [b"path,source\na.wav,x\n", b"path,source,license\na.wav,,CC0\n", b"\xff\xfe\x00"]
)
def test_a_manifest_that_lacks_something_is_refused(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "manifest.csv"
    table.write_bytes(content)
    with pytest.raises(ParameterError, match=r"manifest=.*manifest\.csv"):
        read_manifest(table)
    with pytest.raises(ParameterError, match="can't be read"):
        read_manifest(tmp_path / "absent.csv")


def test_recordings_are_summed_up_by_where_they_are_from(tmp_path: Path) -> None:
    origins = {
        (tmp_path / "a").resolve(): Origin("X", "CC0"),
        (tmp_path / "b").resolve(): Origin("X", "CC0"),
    }
    rows = trained_on("noise", {tmp_path / "a": 1.0, tmp_path / "b": 2.0, tmp_path / "c": 4.0}, origins)
    assert [(r["origin"], r["licence"], r["recordings"], r["seconds"]) for r in rows] == [
        ("not stated", "not stated", 1, 4.0),
        ("X", "CC0", 2, 3.0),
    ]


def test_the_card_of_the_shipped_plain_dictionary_is_that_of_its_file() -> None:
    plain = load_dictionary("plain")
    assert card_path(shipped_dictionaries()["plain"]).read_text(encoding="utf-8") == card_text(plain)
    assert plain.meta["licence"] == "CC BY-SA 4.0"
    assert plain.sources == ("speech", "noise")


def test_versions_name_the_program_first() -> None:
    assert next(iter(program_versions())) == "nmf-audio"
    assert "numpy" in program_versions()
