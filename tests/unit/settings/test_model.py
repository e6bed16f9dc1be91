"""Where values come from, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.errors import SettingsError
from dictograph.settings import model
from dictograph.settings.loading import load
from dictograph.settings.model import Settings, variable

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"B": 1, "KB": 10**3, "mb": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "gib": 2**30, "TiB": 2**40}


def write(folder: Path, dotenv: str = "", toml: str = "") -> None:
    if dotenv:
        (folder / ".env").write_text(dotenv)
    if toml:
        (folder / "dictograph.toml").write_text(toml)


def test_every_layer_hides_the_one_below_and_says_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        dotenv="DICTOGRAPH_LEASE=30\nDICTOGRAPH_ENGINE=sphinx\nDICTOGRAPH_MODEL=tiny\nOTHER=1\n",
        toml='lease = "20s"\nengine = "whisper"\nmodel = "base"\nconcurrency = 7\n',
    )
    environment = {"DICTOGRAPH_LEASE": "40", "DICTOGRAPH_ENGINE": "whisper", "HOME": "/"}
    loaded = load({"lease": 50, "model": None}, environment, tmp_path)
    names = ("lease", "engine", "model", "concurrency", "retry_base")
    assert [getattr(loaded.settings, name) for name in names] == [50, "whisper", "tiny", 7, 2]
    assert [loaded.origins[name] for name in names] == [
        "command line",
        "environment",
        ".env",
        "dictograph.toml",
        "default",
    ]


def test_a_toml_file_can_be_named_in_the_environment_and_in_dotenv(tmp_path: Path) -> None:
    named = tmp_path / "other.toml"
    named.write_text('engine = "sphinx"\n')
    loaded = load(environment={"DICTOGRAPH_CONFIG": str(named)}, folder=tmp_path)
    assert (loaded.settings.engine, loaded.origins["engine"]) == ("sphinx", "other.toml")
    write(tmp_path, dotenv=f"DICTOGRAPH_CONFIG={named}\n")
    assert load(environment={}, folder=tmp_path).settings.engine == "sphinx"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(environment={"DICTOGRAPH_ENGINE": " "}, folder=tmp_path).origins["engine"] == "default"


def test_every_setting_can_be_given_by_the_environment(tmp_path: Path) -> None:
    defaults = load(environment={}, folder=tmp_path).settings
    for name in Settings.model_fields:
        value = getattr(defaults, name)
        given = ",".join(value) if isinstance(value, list) else str(value)
        if value is None or value == {} or not given:
            continue
        loaded = load(environment={variable(name): given}, folder=tmp_path)
        assert getattr(loaded.settings, name) == value
        assert loaded.origins[name] == "environment"


@pytest.mark.parametrize(
    ("environment", "dotenv", "toml", "words"),
    [
        ({"DICTOGRAPH_ENGIN": "x"}, "", "", ["DICTOGRAPH_ENGIN", "the environment", "DICTOGRAPH_ENGINE?"]),
        ({"DICTOGRAPH_QZXW": "x"}, "", "", ["DICTOGRAPH_QZXW", "dictograph settings"]),
        ({}, "DICTOGRAPH_LEESE=3\n", "", ["DICTOGRAPH_LEESE", ".env", "DICTOGRAPH_LEASE?"]),
        ({}, "", "leas = 3\n", ["leas", "dictograph.toml", "DICTOGRAPH_LEASE?"]),
        ({}, "", "lease = \n", ["dictograph.toml", "TOML"]),
        ({"DICTOGRAPH_CONFIG": "/nowhere/x.toml"}, "", "", ["DICTOGRAPH_CONFIG", "/nowhere/x.toml"]),
        ({"DICTOGRAPH_LEASE": "soon"}, "", "", ["DICTOGRAPH_LEASE", "environment", "'soon'", "30s"]),
        ({"DICTOGRAPH_LEASE": "0.1"}, "", "", ["DICTOGRAPH_LEASE", "greater than or equal to 1"]),
        ({}, "DICTOGRAPH_MAX_UPLOAD=2 zettabytes\n", "", ["DICTOGRAPH_MAX_UPLOAD", ".env", "500MB"]),
        ({}, "", "concurrency = 0\n", ["DICTOGRAPH_CONCURRENCY", "dictograph.toml"]),
        ({"DICTOGRAPH_LISTEN": "127.0.0.1"}, "", "", ["DICTOGRAPH_LISTEN", "HOST:PORT"]),
        ({"DICTOGRAPH_LISTEN": "127.0.0.1:70000"}, "", "", ["DICTOGRAPH_LISTEN", "HOST:PORT"]),
        ({"DICTOGRAPH_LISTEN": ","}, "", "", ["DICTOGRAPH_LISTEN"]),
        ({"DICTOGRAPH_DEVICE": "tpu"}, "", "", ["DICTOGRAPH_DEVICE", "'cuda'"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, environment: dict[str, str], dotenv: str, toml: str, words: list[str]
) -> None:
    write(tmp_path, dotenv, toml)
    with pytest.raises(SettingsError) as caught:
        load(environment=environment, folder=tmp_path)
    assert [word for word in words if word not in caught.value.message] == []


@given(number=st.integers(0, 10**6), unit=st.sampled_from(sorted(UNITS)), space=st.sampled_from(["", " "]))
def test_durations_have_units(number: int, unit: str, space: str) -> None:
    given = {"DICTOGRAPH_RETRY_MAX": f"{number}{space}{unit}"}
    assert load(environment=given, folder=Path("/nowhere")).settings.retry_max == pytest.approx(number * UNITS[unit])


@given(number=st.integers(1, 10**6), unit=st.sampled_from(sorted(SIZES)))
def test_sizes_have_units(number: int, unit: str) -> None:
    given = {"DICTOGRAPH_MAX_UPLOAD": f"{number}{unit}"}
    assert load(environment=given, folder=Path("/nowhere")).settings.max_upload == number * SIZES[unit]


@given(text=st.text(max_size=8))
def test_any_text_for_a_duration_is_taken_or_refused_by_name(text: str) -> None:
    wait = outcome(text)
    assert "DICTOGRAPH_RETRY_MAX" in wait if isinstance(wait, str) else wait >= 0


def outcome(text: str) -> float | str:
    try:
        return load(environment={"DICTOGRAPH_RETRY_MAX": text}, folder=Path("/nowhere")).settings.retry_max
    except SettingsError as error:
        return error.message


def test_a_dotenv_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\0")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load(environment={}, folder=tmp_path)


def test_lists_pairs_and_folders(tmp_path: Path) -> None:
    loaded = load(
        environment={
            "DICTOGRAPH_LISTEN": "127.0.0.1:1, [::1]:2",
            "DICTOGRAPH_EXTRA_ENGINES": "mine=package.module:make, other=a:b",
            "DICTOGRAPH_PATH_ROOTS": "~/audio,relative",
            "HOME": "/",
        },
        folder=tmp_path,
    ).settings
    assert loaded.listen == ["127.0.0.1:1", "[::1]:2"]
    assert loaded.extra_engines == {"mine": "package.module:make", "other": "a:b"}
    assert loaded.path_roots == [Path("~/audio").expanduser(), Path("relative").absolute()]


def test_a_bucket_is_a_storage_without_a_folder(tmp_path: Path) -> None:
    loaded = load({}, {"DICTOGRAPH_STORAGE_URL": "s3://bucket/a/b/", "DICTOGRAPH_S3_ENDPOINT": "http://h:1/"}, tmp_path)
    assert (loaded.settings.storage, loaded.settings.storage_place) == (None, "s3://bucket/a/b/")
    assert loaded.settings.storage_options.s3.endpoint == "http://h:1"


def test_a_missing_library_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dictograph.blobs.kinds.find_spec", lambda name: None if name == "obstore" else name)
    with pytest.raises(SettingsError, match=r'obstore must be installed for it: pip install "dictograph\[s3\]"'):
        load({}, {"DICTOGRAPH_STORAGE_URL": "s3://bucket"}, tmp_path)


def test_places_default_to_the_data_folder(tmp_path: Path) -> None:
    loaded = load({"data_dir": tmp_path}, {}, tmp_path).settings
    assert loaded.database == f"sqlite:///{tmp_path}/dictograph.db"
    assert (loaded.storage, loaded.scratch, loaded.processes) == (
        tmp_path / "blobs",
        tmp_path / "scratch",
        tmp_path / "processes",
    )
    elsewhere = load({"data_dir": tmp_path, "storage_url": f"file://{tmp_path}/other"}, {}, tmp_path).settings
    assert elsewhere.storage == tmp_path / "other"
    assert load({"model": "a", "models": ["b", "a"]}, {}, tmp_path).settings.offered_models == ["a", "b"]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("relative", "{here}/relative"), ("./my:folder", "{here}/my:folder"), ("/srv/a:b", "/srv/a:b"),
        ("file:///srv/a", "/srv/a"), ("FILE:///srv/a", "/srv/a"), ("file://localhost/srv/a", "/srv/a"),
        ("file:/srv/a", "/srv/a"), ("file:///srv/a%20b", "/srv/a b"),
    ],
)  # fmt: skip
def test_a_storage_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(load({"storage_url": url}, {}, tmp_path).settings.storage) == place.format(here=tmp_path)


@pytest.mark.parametrize(
    ("setting", "url", "words"),
    [
        *(("STORAGE_URL", url, f"the kind `{url.partition(':')[0].lower()}:`; give file:///FOLDER") for url in (
            "gs:bucket", "az:bucket", "http://host/a", "https://u:p@host/a",
            "C:\\audio", "c:/audio", "my:folder", "my_bucket://a",
        )),
        *(("STORAGE_URL", url, "three slashes") for url in ("file:a", "file://host/a", "file://a", "file:///a?b")),
        *(("STORAGE_URL", url, "the name of a bucket in small letters") for url in (
            "s3:bucket", "s3://", "s3://UPPER", "s3:///prefix", "s3://user@bucket",
        )),
        *(("STORAGE_URL", f"s3://bucket/{prefix}", "a prefix has letters") for prefix in ("a b", "a//b", "a?b", "ü")),
        ("QUEUE_URL", "kafka://host", "give the brokers as `kafka://HOST:PORT[,HOST:PORT…]`"),
        ("QUEUE_URL", "amqp://host", "the kind `amqp:`; give `database:`"),
        ("QUEUE_URL", "database:x", "nothing stands behind"),
        ("DATABASE_URL", "mysql://u:p@host/name", "the kind `mysql:`; give sqlite:///FILE"),
        ("DATA_DIR", "s3://bucket", "this is a URL; give a folder"),
        ("SCRATCH_DIR", "file:///tmp", "this is a URL; give a folder"),
    ],
)  # fmt: skip
def test_a_part_that_there_is_not_is_refused_by_name(tmp_path: Path, setting: str, url: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environment={f"DICTOGRAPH_{setting}": url}, folder=tmp_path)
    assert f"DICTOGRAPH_{setting}" in caught.value.message
    assert words in caught.value.message
    assert "u:p@" not in caught.value.message, "a password is told"


def test_variables_are_named_after_fields() -> None:
    assert variable("data_dir") == f"{model.PREFIX}DATA_DIR"
