"""Thousands of damaged files of every kind: each is decoded or refused by name, soon, in little memory and room.

`FUZZ_MUTATIONS=5000 pytest tests/integration/audio/test_hostile_mutations.py -s` makes so many of them, and prints
what became of them; `FUZZ_SEED=…` makes others. A file that broke something is kept in the folder that pytest names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from dictograph.audio.decoder_client import DecodeLimits
from tests.hostile.batch import Outcome, outcomes
from tests.hostile.mutations import mutations
from tests.hostile.seeds import make_seeds
from tests.media import RATE
from tests.processes import children

COUNT = int(os.environ.get("FUZZ_MUTATIONS", "600"))
SEED = os.environ.get("FUZZ_SEED", "1")

#: `quiet_timeout` is for a whole file of some kilobytes here, on a machine that does much else.
LIMITS = DecodeLimits(max_seconds=24 * 3600, memory=512 * 2**20, quiet_timeout=30)

CODES = {"decoded", "corrupt_audio", "unsupported_format", "no_audio_stream"}

#: Damage can repeat a second of sound fifty times, slow it down sixteen times, and put an hour of silence into it.
MOST_S = 3600 + 61 * 50 * 16


def test_no_damage_breaks_the_decoder(tmp_path: Path) -> None:
    seeds = make_seeds(tmp_path)
    files = dict(_mutated(seeds))
    results = outcomes(files.items(), tmp_path, LIMITS)
    for result in results:
        if not _is_clean(result):
            (tmp_path / result.name.replace("/", "-")).write_bytes(files[result.name])
    print(_told(results))
    assert [result for result in results if not _is_clean(result)] == []
    assert len(results) == len(files) >= COUNT
    # Damage that nobody could read, or that changes nothing, would prove nothing.
    assert len({result.name.partition("/")[0] for result in results if result.code == "decoded"}) > 0.9 * len(seeds)
    assert {"decoded", "corrupt_audio", "unsupported_format"} <= {result.code for result in results}
    assert not children()


def _mutated(seeds: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    each = -(-COUNT // len(seeds))
    for files in zip_longest(*(mutations(data, f"{name}/{SEED}", each) for name, data in seeds.items())):
        yield from files


def _is_clean(result: Outcome) -> bool:
    return (
        result.code in CODES
        and not result.broken
        and not result.retryable
        and result.samples < MOST_S * RATE
        and result.room < 64 * 2**20
    )


def _told(results: list[Outcome]) -> str:
    counts = ", ".join(f"{code} {count}" for code, count in Counter(result.code for result in results).most_common())
    slowest = max(results, key=lambda result: result.seconds)
    longest = max(results, key=lambda result: result.samples)
    return (
        f"{len(results)} damaged files: {counts}; {sum(result.broken for result in results)} broke the decoder. "
        f"Slowest: {slowest.seconds:.1f} s ({slowest.name}, {slowest.code}); "
        f"longest: {longest.samples / RATE:.0f} s of samples ({longest.name})."
    )
