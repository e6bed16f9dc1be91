"""Which process listens where: one that does both, an API alone, a worker alone."""

from __future__ import annotations

import pytest

from dictograph.listening import Served, listeners
from dictograph.settings.model import Settings

GATEWAY = ("gateway@127.0.0.1:5000", "gateway@127.0.0.1:8765")
PROBED = ("0.0.0.0:8081",)


def found(*, api: bool, worker: bool, listen: tuple[str, ...], probes: tuple[str, ...] = ()) -> dict[str, Served]:
    settings = Settings(listen=list(listen), worker_listen=list(probes))
    return {one.address.authority: one.served for one in listeners(settings, api=api, worker=worker)}


def test_a_service_has_all_addresses() -> None:
    assert found(api=True, worker=True, listen=GATEWAY, probes=PROBED) == {
        "127.0.0.1:5000": Served.CONTRACTS,
        "127.0.0.1:8765": Served.CONTRACTS,
        "0.0.0.0:8081": Served.PROBES,
    }


def test_the_gateways_websocket_belongs_to_whoever_transcribes() -> None:
    assert found(api=True, worker=False, listen=GATEWAY, probes=PROBED) == {"127.0.0.1:5000": Served.CONTRACTS}
    assert found(api=False, worker=True, listen=GATEWAY) == {"127.0.0.1:8765": Served.GATEWAY_SOCKET}


@pytest.mark.parametrize("listen", [("127.0.0.1:8000",), ("gateway@127.0.0.1:5000",)])
def test_an_api_without_an_address_for_the_websocket_keeps_it(listen: tuple[str, ...]) -> None:
    authority = listen[0].rpartition("@")[2]
    assert found(api=True, worker=False, listen=listen) == {authority: Served.CONTRACTS}
    assert found(api=False, worker=True, listen=listen) == {}


def test_an_address_of_the_contracts_is_not_taken_twice() -> None:
    same = found(api=True, worker=True, listen=("backend@0.0.0.0:9000",), probes=("0.0.0.0:9000", *PROBED))
    assert same == {"0.0.0.0:9000": Served.CONTRACTS, "0.0.0.0:8081": Served.PROBES}
    assert found(api=False, worker=True, listen=("0.0.0.0:9000",), probes=("0.0.0.0:9000",)) == {
        "0.0.0.0:9000": Served.PROBES
    }
