"""Files of settings, as people and broken disks write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.errors import SettingsError
from dictograph.settings.files import read_dotenv, read_ini
from dictograph.settings.loading import load

BACKEND = {"profile": "backend"}


def test_comments_behind_values_are_none_of_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        'A=x # y\nB="a # b" # c\nC=p#w\nD=   # nothing\nexport E=1\t#2\n# F=1\nG= spaced out  # so\n\nH\n'
    )
    assert read_dotenv(tmp_path / ".env") == {
        "A": "x", "B": "a # b", "C": "p#w", "D": "", "E": "1", "G": "spaced out", "H": "",
    }  # fmt: skip
    (tmp_path / "config.ini").write_text(
        "# a\n; b\n[file]\nA = x # y\nb: p#w\nc = 50%\nd =   # nothing\ne = 1\t#2\nf = x; y\n[empty]\n"
    )
    assert read_ini(tmp_path / "config.ini") == {
        ("file", "a"): "x", ("file", "b"): "p#w", ("file", "c"): "50%", ("file", "d"): "", ("file", "e"): "1",
        ("file", "f"): "x; y",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        ("API_KEY=x\nGATEWAY_PORT=1\nUPLOAD_FOLDER=/a\n", "start with `--profile gateway` (or DICTOGRAPH_PROFILE)"),
        ("REDIS_HOST=r\nFILE_MAX_SIZE_MB=3\nMODEL_ID=tiny\n", "start with `--profile backend` (or"),
        ("UPLOAD_FOLDER=/a\n", "start with `--profile gateway` or `--profile path` (or"),
    ],
)
def test_an_old_file_without_a_profile_is_told_which_to_select(tmp_path: Path, names: str, hint: str) -> None:
    (tmp_path / ".env").write_text(names)
    told = load({}, {}, tmp_path).warnings
    assert [hint in line for line in told] == [True, *([False] * (len(told) - 1))]
    assert all("no profile is selected" not in line for line in load({"profile": "path"}, {}, tmp_path).warnings)
    (tmp_path / ".env").write_text("HF_TOKEN=x\n")
    assert load({}, {}, tmp_path).warnings == ["HF_TOKEN in .env is no setting of Dictograph, and is ignored."]


def test_an_editors_mark_and_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfDICTOGRAPH_LEASE=40\r\nDICTOGRAPH_MODEL=tiny\r\n")
    (tmp_path / "config.ini").write_bytes(b"\xef\xbb\xbf[file]\r\nmax_size_mb = 3\r\n")
    loaded = load(BACKEND, {}, tmp_path)
    settings = loaded.settings
    assert (settings.lease, settings.model, settings.backend_max_upload) == (40, "tiny", 3 * 2**20)
    assert loaded.warnings == []


def test_what_means_nothing_here_gets_a_warning_each(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTHER=1\nMODEL_ID=tiny\nFILE_MAX_SIZE_MB=3\nHF_TOKEN=x\nPORT=1\n")
    (tmp_path / "config.ini").write_text("[file]\nmax_size = 3\n[s3]\nbucket = x\nregion = y\n[redis]\nhost = r\n")
    assert load(BACKEND, {"PORT": "0"}, tmp_path).warnings == [
        "OTHER in .env is no setting of Dictograph, and is ignored.",
        "MODEL_ID in .env counts with the profile gateway alone, which is not selected, and is ignored.",
        "HF_TOKEN in .env is no setting of Dictograph, and is ignored.",
        "config.ini [file] max_size is no setting of Dictograph, and is ignored.",
        "config.ini [s3] bucket is no setting of Dictograph, and is ignored.",
        "config.ini [s3] region is no setting of Dictograph, and is ignored.",
    ]
    (tmp_path / ".env").write_text("DICTOGRAPH_MAX_SIZE=3\n")
    with pytest.raises(SettingsError, match=r"DICTOGRAPH_MAX_SIZE in \.env is no setting"):
        load(BACKEND, {}, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (".env", b"A=1\nB='x\n", ".env cannot be read: line 2 is not of the form NAME=VALUE"),
        (".env", b"A=1\n=2\n", ".env cannot be read: line 2"),
        (".env", b"A=1\nB=\xff\n", ".env cannot be read: line 2 is not UTF-8"),
        (".env", b'A="x\ny"\n', "A in "),
        (".env", b"A=\0\n", "A in "),
        (".env", b"#" * (2**20 + 1), "longer than 1048576 bytes"),
        ("config.ini", b"host = x\n", "config.ini cannot be read: line 1 stands before any [section]"),
        ("config.ini", b"[file]\nmax_size_mb\n", "config.ini cannot be read: line 2 is not of the form KEY = VALUE"),
        ("config.ini", b"[a]\nx=1\nx=2\n", "config.ini cannot be read: line 3 has the key x of [a] again"),
        ("config.ini", b"[a]\n[a]\n", "config.ini cannot be read: line 2 begins the section [a] again"),
        ("config.ini", b"[a]\nx=\x01\n", "[a] x in "),
        ("config.ini", b"\xfe\xff\n", "config.ini cannot be read: line 1 is not UTF-8"),
    ],
)
def test_a_broken_file_is_named_with_the_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(BACKEND, {}, tmp_path)
    assert words in caught.value.message
    assert name in caught.value.message


def test_a_broken_line_is_not_repeated_since_it_may_hold_a_password(tmp_path: Path) -> None:
    for name, content in {".env": "DB_PASSWORD='hunter2\n", "config.ini": "[database]\npassword hunter2\n"}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(SettingsError) as caught:
            load(BACKEND, {}, tmp_path)
        assert "hunter2" not in caught.value.message
        (tmp_path / name).unlink()


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    (tmp_path / "config.ini").mkdir()
    assert load(BACKEND, {}, tmp_path).warnings == []


@given(content=st.binary(max_size=200) | st.text("[]=#\n\r\t \"'\\ab%$;:", max_size=60).map(str.encode))
def test_any_bytes_are_settings_or_an_error_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    for name in (".env", "config.ini"):
        (folder / name).write_bytes(content)
        told = refusal(folder)
        (folder / name).unlink()
        assert told is None or name in told


def refusal(folder: Path) -> str | None:
    try:
        load(BACKEND, {}, folder)
    except SettingsError as error:
        return error.message
    return None
