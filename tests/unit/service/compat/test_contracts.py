"""What a contract gives its jobs, and that it gives it to no others."""

from __future__ import annotations

from typing import Any

import pytest

from dictograph.contract import Contract, JobLimits
from dictograph.errors import InvalidOption
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.settings.model import Settings


def settings(**values: Any) -> Settings:
    return Settings(**values)


def test_limits_are_those_of_the_contract_that_a_job_came_through() -> None:
    given = settings(
        gateway_max_upload="1KB",
        backend_max_upload="2KB",
        backend_max_attempts=4,
        stt_max_bytes="3KB",
        stt_max_audio="1m",
        stt_max_attempts=2,
    )
    assert {contract: limits_of(given, contract) for contract in Contract} == {
        **dict.fromkeys(Contract, JobLimits()),
        Contract.GATEWAY: JobLimits(max_bytes=1000),
        Contract.BACKEND: JobLimits(max_bytes=2000, max_attempts=4),
        Contract.STT_WORKER: JobLimits(
            max_bytes=3000,
            max_audio=60,
            all_attempts=2,
            download_timeout=30,
            attempt_timeout=120,
            backoff_base=0.5,
            backoff_cap=5,
        ),
    }
    assert limits_of(settings(), Contract.BACKEND).as_dict() == {"max_bytes": 10 * 2**20}


def test_a_contracts_model_means_whisper_and_is_for_its_own_jobs() -> None:
    given = settings(
        gateway_model="tiny", backend_model="base", path_model="medium", stt_model="large", engine="sphinx"
    )
    named = {contract: options_of(given, contract) for contract in Contract}
    assert {contract: (one.engine, one.model) for contract, one in named.items()} == {
        **dict.fromkeys(Contract, ("auto", None)),
        Contract.GATEWAY: ("whisper", "tiny"),
        Contract.BACKEND: ("whisper", "base"),
        Contract.PATH: ("whisper", "medium"),
        Contract.STT_WORKER: ("whisper", "large"),
    }


def test_what_a_client_asks_for_goes_before_what_its_contract_says() -> None:
    given = settings(backend_model="base", backend_beam_size=2, backend_vad_filter=False)
    asked = options_of(given, Contract.BACKEND, {"model": "medium", "beam_size": "3"})
    assert (asked.engine, asked.model, asked.beam_size, asked.vad_filter) == ("whisper", "medium", 3, False)
    with pytest.raises(InvalidOption):
        options_of(given, Contract.BACKEND, {"beam_size": 99})


@pytest.mark.parametrize(("model", "expected"), [("", ("auto", None)), ("base", ("whisper", "base"))])
def test_a_mode_is_not_heeded_where_the_operator_said_so(model: str, expected: tuple[str, str | None]) -> None:
    given = settings(backend_modes=["none"], backend_model=model)
    asked = options_of(given, Contract.BACKEND, {"model": "medium"})
    assert (asked.engine, asked.model) == expected
