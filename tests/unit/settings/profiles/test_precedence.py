"""Which place a value comes from when several say something, and that its origin is told as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dictograph.errors import SettingsError
from dictograph.settings.loading import Loaded, load


def told(loaded: Loaded, field: str) -> tuple[object, str]:
    return getattr(loaded.settings, field), loaded.origins[field]


def test_each_layer_goes_before_the_ones_below_it(tmp_path: Path) -> None:
    field, variables = "backend_max_upload", {"DICTOGRAPH_PROFILE": "backend"}
    mib = 2**20

    def now(**overrides: object) -> tuple[object, str]:
        return told(load(overrides, variables, tmp_path), field)

    assert told(load({}, {}, tmp_path), field) == (10 * mib, "default")
    assert now() == (10 * mib, "profile backend")
    (tmp_path / "config.ini").write_text("[file]\nmax_size_mb = 2\n")
    assert now() == (2 * mib, "config.ini [file] max_size_mb")
    (tmp_path / ".env").write_text("FILE_MAX_SIZE_MB=3\n")
    assert now() == (3 * mib, "FILE_MAX_SIZE_MB in .env")
    variables["FILE_MAX_SIZE_MB"] = "4"
    assert now() == (4 * mib, "FILE_MAX_SIZE_MB in the environment")
    (tmp_path / "dictograph.toml").write_text('backend_max_upload = "5MiB"\n')
    assert now() == (5 * mib, "dictograph.toml")
    (tmp_path / ".env").write_text("FILE_MAX_SIZE_MB=3\nDICTOGRAPH_BACKEND_MAX_UPLOAD=6MiB\n")
    assert now() == (6 * mib, ".env")
    variables["DICTOGRAPH_BACKEND_MAX_UPLOAD"] = "7MiB"
    assert now() == (7 * mib, "environment")
    assert now(backend_max_upload="8MiB") == (8 * mib, "command line")


@pytest.mark.parametrize("place", ["command line", "environment", ".env", "dictograph.toml"])
def test_a_profile_can_be_chosen_wherever_settings_are(tmp_path: Path, place: str) -> None:
    (tmp_path / ".env").write_text("DICTOGRAPH_PROFILE=gateway\n" if place == ".env" else "")
    (tmp_path / "dictograph.toml").write_text('profile = ["gateway"]\n' if place == "dictograph.toml" else "")
    loaded = load(
        {"profile": "gateway" if place == "command line" else None},
        {"DICTOGRAPH_PROFILE": "gateway"} if place == "environment" else {},
        tmp_path,
    )
    assert told(loaded, "profile") == (["gateway"], place)
    assert told(loaded, "gateway_model") == ("small", "profile gateway")


def test_without_a_profile_nobody_elses_variable_counts(tmp_path: Path) -> None:
    everything = {
        "API_KEY": "secret", "MODEL_ID": "openai/whisper-tiny", "GPU_DEVICE": "cuda", "UPLOAD_FOLDER": "/nowhere",
        "GATEWAY_PORT": "x", "PORT": "3000", "MAX_WORKERS": "1", "DATABASE_HOST": "db", "ALLOWED_ORIGINS": "https://a.example",
        "KAFKA_LINGER_MS": "x",
    }  # fmt: skip
    (tmp_path / "config.ini").write_text("this is somebody else's file\n")
    loaded = load({}, everything, tmp_path)
    assert loaded.settings == load({}, {}, tmp_path / "none").settings
    assert loaded.warnings == []


def test_a_variable_counts_for_its_own_profile_alone(tmp_path: Path) -> None:
    variables = {"MODEL_ID": "openai/whisper-tiny", "API_KEY": "secret", "MAX_WORKERS": "2"}
    variables["ALLOWED_ORIGINS"] = "https://a.example"
    backend = load({"profile": "backend"}, variables, tmp_path).settings
    assert (backend.gateway_model, backend.gateway_api_key, backend.concurrency) == ("", "", 8)
    assert backend.backend_model == "base"
    gateway = load({"profile": "gateway"}, variables, tmp_path).settings
    assert (gateway.gateway_model, gateway.gateway_api_key) == ("tiny", "secret")
    assert (gateway.backend_model, gateway.backend_origins, gateway.concurrency) == ("", [], 8)
    assert (gateway.model, gateway.offered_models) == ("small", ["small"])


@pytest.mark.parametrize(
    ("stated", "yields"),
    [
        ({"model": "tiny"}, "DICTOGRAPH_MODEL (command line)"),
        ({"engine": "sphinx"}, "DICTOGRAPH_ENGINE (command line)"),
        ({"engine": "auto"}, "DICTOGRAPH_ENGINE (command line)"),
        ({"engine": "whisper"}, ""),
        ({"device": "cpu"}, ""),
    ],
)
def test_contracts_models_yield_to_what_was_said_of_all_jobs(
    tmp_path: Path, stated: dict[str, str], yields: str
) -> None:
    (tmp_path / "config.ini").write_text("[file]\nwhisper_model = medium\n")
    loaded = load({"profile": "gateway,backend", **stated}, {"MODEL_ID": "base"}, tmp_path)
    if not yields:
        assert told(loaded, "gateway_model") == ("base", "MODEL_ID in the environment")
        assert told(loaded, "backend_model") == ("medium", "config.ini [file] whisper_model")
        return
    assert told(loaded, "gateway_model") == ("", f"default; MODEL_ID in the environment yields to {yields}")
    assert told(loaded, "backend_model") == ("", f"default; config.ini [file] whisper_model yields to {yields}")
    assert [warning for warning in loaded.warnings if "yields to" in warning] == [
        f"MODEL_ID in the environment yields to {yields}.",
        f"config.ini [file] whisper_model yields to {yields}.",
    ]
    assert load({"profile": "gateway,backend", **stated}, {}, tmp_path / "none").warnings == []
    kept = load({"profile": "gateway", **stated}, {"DICTOGRAPH_GATEWAY_MODEL": "turbo"}, tmp_path)
    assert told(kept, "gateway_model") == ("turbo", "environment")


def test_the_first_profile_goes_before_the_second_and_a_disagreement_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[whisper]\ndevice = cpu\n")
    loaded = load({"profile": "backend,gateway"}, {"GPU_DEVICE": "cuda"}, tmp_path)
    assert told(loaded, "device") == ("cuda", "GPU_DEVICE in the environment")
    assert loaded.warnings == [
        "config.ini [whisper] device yields to GPU_DEVICE in the environment: both say what DICTOGRAPH_DEVICE is."
    ]
    assert told(load({"profile": "path,backend"}, {}, tmp_path), "engine_threads") == (4, "profile backend")


def test_two_profiles_read_the_same_variable_each_for_itself(tmp_path: Path) -> None:
    settings = load({"profile": "gateway,path"}, {"UPLOAD_FOLDER": "/srv/audio"}, tmp_path).settings
    assert (settings.storage, settings.path_uploads) == (Path("/srv/audio"), Path("/srv/audio/uploads"))


def test_a_profile_that_there_is_not_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"DICTOGRAPH_PROFILE \(from command line\) cannot be 'gatway'"):
        load({"profile": "gatway"}, {}, tmp_path)
