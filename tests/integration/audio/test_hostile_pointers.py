"""Files that point at others. Each guard alone is enough; without any of them FFmpeg would follow every one.

The first test shows that these files are dangerous at all. The others take one guard after the other away, in a
process that no sandbox holds; the sandbox has tests of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.batch import outcomes
from tests.hostile.boxes import id3
from tests.hostile.pointers import pointers
from tests.hostile.tripwire import tripwire
from tests.media import LIMITS, make_tone
from tests.service import ROOT


class Trap:
    """Files that point at a secret and at a server, in the folder where the secret lies."""

    def __init__(self, folder: Path, server: str, calls: list[bytes]) -> None:
        self.folder, self.server, self.calls = folder, server, calls
        secret = make_tone(folder / "secret.wav", 1, "-ar", 16_000)
        stream = make_tone(folder / "secret.ts", 1, "-c:a", "mp2", "-ar", 16_000)
        movie = make_tone(folder / "movie.mov", 1, "-c:a", "pcm_s16le", "-ar", 16_000)
        self.pointers = list(pointers(secret, stream, movie.read_bytes(), server))
        for pointer in self.pointers:
            (folder / pointer.name).write_bytes(pointer.data)

    def opened(self, guards: str) -> dict[str, dict[str, Any]]:
        """What comes of each where only `guards` are left, and FFmpeg was talked into following it."""
        named = [word for pointer in self.pointers for word in (pointer.demuxer, pointer.name)]
        command = [sys.executable, "-m", "tests.hostile.opener", guards, *named]
        done = subprocess.run(
            command, cwd=self.folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=120, check=True
        )
        answers = map(json.loads, done.stdout.splitlines())
        return {pointer.name: answer for pointer, answer in zip(self.pointers, answers, strict=True)}


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trap]:
    with tripwire() as (server, calls):
        yield Trap(tmp_path_factory.mktemp("pointers"), server, calls)


#: Those that are no audio to FFmpeg either, or only to a demuxer that goes by the name of the file.
PLAYLISTS = {
    "m3u": "#EXTM3U\n#EXTINF:1,A talk\n{target}\n",
    "m3u without a head": "{target}\n",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "asf reference": "[Reference]\nRef1={target}\n",
    "xspf": '<?xml version="1.0"?><playlist xmlns="http://xspf.org/ns/0/"><trackList><track><location>{target}'
    "</location></track></trackList></playlist>",
    "wpl": '<?wpl version="1.0"?><smil><body><seq><media src="{target}"/></seq></body></smil>',
    "dash": '<?xml version="1.0"?><MPD type="static"><Period><BaseURL>{target}</BaseURL></Period></MPD>',
    "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n"
    "a=control:{target}\r\n",
    "image sequence": "{target}-%03d.png\n",
    "avisynth": 'DirectShowSource("{target}")\n',
    "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">{target}'
    "</CompositionPlaylist>",
}


def test_playlists_of_all_kinds_are_text_under_every_disguise(trap: Trap, tmp_path: Path) -> None:
    disguises = {"plain": b"", "mark": b"\xef\xbb\xbf", "lines": b"\n\n ", "binary": b"\0\1", "id3": id3()}
    disguises["riff"] = b"RIFF\xff\xff\xff\xffWAVE"
    targets = [trap.folder / "secret.wav", f"http://{trap.server}/a.wav", "secret.wav"]
    files = [
        (f"{kind} {disguise}", start + text.format(target=target).encode())
        for kind, text in PLAYLISTS.items()
        for disguise, start in disguises.items()
        for target in targets
    ]
    for result in outcomes(files, tmp_path, LIMITS):
        told = result.name.endswith(("plain", "mark", "lines"))
        assert result.code in (("unsupported_format",) if told else ("unsupported_format", "corrupt_audio")), result
        assert not result.retryable
        assert "secret" not in result.detail
    assert not trap.calls


def test_without_guards_each_of_them_works(trap: Trap) -> None:
    answers = trap.opened("-")
    for pointer in trap.pointers:
        if not pointer.calls:
            assert answers[pointer.name].get("sound", 0) > 0.01, (pointer.name, answers[pointer.name])
    assert len(trap.calls) >= sum(pointer.calls for pointer in trap.pointers)
    trap.calls.clear()


@pytest.mark.parametrize("guard", ["text", "formats", "protocols"])
def test_one_guard_is_enough(trap: Trap, guard: str) -> None:
    """With `protocols` alone FFmpeg is made to use the demuxer that follows, and is allowed to by all its options."""
    for name, answer in trap.opened(guard).items():
        # A movie is of an accepted format, and no text: only the last guard is for it.
        if name != "quicktime-alias" or guard == "protocols":
            assert "refused" in answer or answer["sound"] == 0, (name, answer)
    assert not trap.calls


def test_the_decoder_refuses_them_for_good(trap: Trap, tmp_path: Path) -> None:
    results = outcomes(((pointer.name, pointer.data) for pointer in trap.pointers), tmp_path, LIMITS)
    for pointer, result in zip(trap.pointers, results, strict=True):
        # What a movie holds besides its reference are bytes of its own.
        assert result.code == ("corrupt_audio" if pointer.demuxer == "mov" else "unsupported_format"), result
        assert not result.retryable
        assert "secret" not in result.detail
    assert not trap.calls
