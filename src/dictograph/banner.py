"""The lines that a service prints when it listens: its addresses, its engine, and a first call to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from dictograph.api.clients import is_loopback
from dictograph.contract import Address, Contract
from dictograph.redis.connection import place_of
from dictograph.service.compat.path_jobs import roots_hint
from dictograph.settings.model import Settings
from dictograph.settings.profiles.log_lines import in_words

#: Contracts whose routes always need a key when there are keys.
_KEYED = (Contract.NATIVE, Contract.OPENAI, Contract.ASR)


def banner(
    settings: Settings, addresses: Sequence[Address], engine: str, *, keys: bool, probes: Sequence[Address] = ()
) -> str:
    """Return the lines. `keys`: there is a key, or was one; the gateway's key does not count. `probes` are the
    worker's own addresses."""
    return "\n".join(
        [
            f"Dictograph listens on {' and '.join(map(_url, addresses))}",
            f"  engine  {engine}",
            f"  data    {settings.data_dir}",
            *profiles(settings),
            *_open(settings, addresses),
            *_paths(settings, addresses),
            *_probes(probes),
            *_tries(settings, addresses, keys),
            *_described(addresses[0]),
        ]
    )


def worker_banner(settings: Settings, engine: str, addresses: Sequence[Address]) -> str:
    """Return the lines of a worker without the API. `addresses` are its own."""
    about = f"Dictograph worker on {settings.data_dir}, engine {engine}"
    return "\n".join([about, *profiles(settings), *_probes(addresses)])


def _probes(addresses: Sequence[Address]) -> list[str]:
    return [f"  worker  {' and '.join(map(_url, addresses))}"] if addresses else []


def profiles(settings: Settings) -> list[str]:
    """Return the line with the active profiles; none without profiles."""
    return [f"  profile {in_words(settings.profile, _broker(settings))}"] if settings.profile else []


def _broker(settings: Settings) -> str:
    """Return the kind and place of the queue's broker; "" without one."""
    if settings.redis_url:
        return f"Redis at {place_of(settings.redis_url)}"
    return f"Kafka at {settings.brokers}" if settings.brokers else ""


def _url(address: Address) -> str:
    url = f"http://{address.authority}"
    return url if address.first is Contract.NATIVE else f"{url} ({address.first})"


def _here(address: Address) -> str:
    """Return the URL by which this machine reaches the address."""
    return f"http://{address.authority}".replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _tries(settings: Settings, addresses: Sequence[Address], keys: bool) -> list[str]:
    """Return a call for each contract that has an address: for the first, if it has several."""
    first = {one.first: one for one in reversed(addresses)}
    calls = [_call(settings, one, keys) for one in addresses if first[one.first] is one]
    return _labelled("try", list(dict.fromkeys(calls)))


def _call(settings: Settings, address: Address, keys: bool) -> str:
    """Return the simplest useful call for this address."""
    contract, here = address.first, _here(address)
    if contract in _KEYED and settings.gateway_api_key and not keys:
        contract = Contract.GATEWAY  # its key opens only its own routes, which are on all such addresses
    if contract is Contract.BACKEND:
        return f"curl {here}/api/v1"
    key = _key_header(settings, contract, keys)
    match contract:
        case Contract.GATEWAY:
            return f"curl {key}-F file=@talk.mp3 {here}/upload"
        case Contract.PATH:
            return f"curl {key}{_path_call(settings, here)}"
        case Contract.OPENAI:
            return f"curl {key}-F file=@talk.mp3 -F model=whisper-1 {here}/v1/audio/transcriptions"
        case Contract.ASR:
            return f"curl {key}-F audio_file=@talk.mp3 {here}/asr"
        case _:
            return f"curl {key}-F file=@talk.mp3 '{here}/v1/transcriptions?wait=60'"


def _key_header(settings: Settings, contract: Contract, keys: bool) -> str:
    """Return the call's key header, "" when none is needed. No key is written out: banners end up in logs."""
    if contract.value in settings.anonymous or not (keys or settings.gateway_api_key):
        return ""
    if contract is Contract.GATEWAY and not keys:
        name = "API_KEY" if Contract.GATEWAY.value in settings.profile else "DICTOGRAPH_GATEWAY_API_KEY"
    else:
        name = "DICTOGRAPH_KEY"
    return f'-H "X-API-Key: ${name}" '


def _path_call(settings: Settings, here: str) -> str:
    if not settings.path_roots:
        return f"-F file=@talk.mp3 {here}/upload"
    body = shlex.quote(json.dumps({"path": str(settings.path_roots[0] / "talk.mp3")}, ensure_ascii=False))
    return f"-H 'Content-Type: application/json' -d {body} {here}/transcribe"


def _described(address: Address) -> list[str]:
    """Return the address of the API's description. The path contract has none."""
    return [] if address.first is Contract.PATH else [f"  api     {_here(address)}/openapi.json"]


def _paths(settings: Settings, addresses: Sequence[Address]) -> list[str]:
    """Return the allowed folders for paths, or the settings that allow paths; none without a path address."""
    if all(one.first is not Contract.PATH for one in addresses):
        return []
    return _labelled("paths", roots_hint(settings) or [", ".join(map(str, settings.path_roots))])


def _open(settings: Settings, addresses: Sequence[Address]) -> list[str]:
    """Return the routes that are open without a key; none when only this machine can connect."""
    if not settings.anonymous or all(is_loopback(one.authority.rpartition(":")[0]) for one in addresses):
        return []
    return [
        f"  open    to all who can reach this machine, without a key: the routes of {', '.join(settings.anonymous)}"
    ]


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    """Return the lines with a label before the first."""
    return [f"  {'' if number else label:<7} {line}" for number, line in enumerate(lines)]
