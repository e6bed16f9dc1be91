"""The worst audio files there are, sent to a real service: each ends with its code, and the service goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.audio_files import write_noise
from tests.files import files_below
from tests.hostile import bombs, boxes
from tests.hostile.false_headers import MATROSKAS, WAVES
from tests.hostile.mutations import mutations
from tests.hostile.pointers import pointers
from tests.hostile.seeds import make_seed
from tests.hostile.tripwire import tripwire
from tests.media import make_tone
from tests.processes import decoders_of
from tests.service import Service, eventually, service

#: The name of the file that must not be read, and of its folder, is in no answer either.
SECRET = "the-secret-of-this-machine"

REFUSED = {"unsupported_format", "corrupt_audio", "no_audio_stream"}


def test_the_worst_files_end_with_their_code_and_leave_nothing(tmp_path: Path) -> None:
    with tripwire() as (server, calls), service(tmp_path) as one:
        expected = {}
        for name, data, codes in worst(tmp_path, server):
            filename = name if Path(name).suffix else f"{name}.mp3"
            answer = one.post("/v1/transcriptions", files={"file": (filename, data)})
            assert answer.status_code == 202, answer.text
            expected[answer.json()["id"]] = name, codes
        empty = one.post("/v1/transcriptions", files={"file": ("empty.mp3", b"")})
        assert (empty.status_code, empty.json()["error"]["code"]) == (400, "empty_upload")
        for job_id, (name, codes) in expected.items():
            job = one.wait_for(job_id)
            said = (job["error"] or {}).get("code", job["status"])
            assert said in codes, (name, job)
            assert job["attempt"] == 1, "what is wrong with the file is wrong the next time too"
            told = json.dumps(job) + one.get(f"/v1/transcriptions/{job_id}/events").text
            if job["status"] == "completed":
                told += one.transcript(job_id)
            assert SECRET not in told
        assert not calls
        works_as_ever(one, tmp_path)
        for job_id in expected:
            assert httpx.delete(f"{one.base}/v1/transcriptions/{job_id}", timeout=30).status_code == 204
        eventually(lambda: not list(files_of(one, "blobs")), 30, "objects of jobs that are deleted")
        eventually(lambda: not list(files_of(one, "scratch")), 10, "samples that nobody wants")
        assert not list(one.data.glob("**/decoder-*")), "the folder in which a decoder is confined"
        assert one.stop() == 0
        assert "Traceback" not in one.words_of_log()


def worst(folder: Path, server: str) -> Iterator[tuple[str, bytes, set[str]]]:
    """Name, bytes, and what may become of it: codes of errors, or "completed"."""
    secret = make_tone(folder / f"{SECRET}.wav", 1, "-ar", 16_000)
    stream = make_tone(folder / f"{SECRET}.ts", 1, "-c:a", "mp2")
    movie = make_tone(folder / "movie.mov", 1, "-c:a", "pcm_s16le", "-ar", 16_000).read_bytes()
    for pointer in pointers(secret, stream, movie, server):
        yield pointer.name, pointer.data, {"unsupported_format", "corrupt_audio"}
        if pointer.name in ("concat-sibling", "hls-http"):
            yield f"{pointer.name}-behind-a-tag", boxes.id3() + pointer.data, REFUSED
    m4a, flac = make_seed(folder, "aac.m4a"), make_seed(folder, "a.flac")
    for name, data in lists_and_patterns(secret, server):
        yield name, data, {"unsupported_format"}
    talk = make_seed(folder, "lame.mp3")
    yield "the first half of a talk", talk[: len(talk) // 2], {"completed"}
    yield "a movie without its end.m4a", m4a[: len(m4a) // 2], {"corrupt_audio"}
    yield "prose", b"It was a dark and stormy night; the rain fell in torrents. " * 40, {"unsupported_format"}
    yield "streams", bombs.streams_in_mp4(m4a, 10_000), {"corrupt_audio"}
    yield "transport", bombs.streams_in_transport(40, 190), {"corrupt_audio"}
    yield "chapters", bombs.chapters(10_000), {"completed"}
    yield "picture", bombs.picture(flac, 16_000_000), {"completed"}
    yield "zip", bombs.zip_of_silence(10**7), {"unsupported_format"}
    for name in ("a rate of 1", "a rate of a billion", "255 channels"):
        yield name, WAVES[name][0], {"corrupt_audio"}
    for name in ("one block of an hour", "a rate of 1"):
        yield name, MATROSKAS[name][0], {"corrupt_audio"}
    yield "a day of pieces", MATROSKAS["a day of pieces"][0], {"completed"}
    for name, data in mutations(flac, "flac", 6):
        yield name, data, REFUSED | {"completed"}


def lists_and_patterns(secret: Path, server: str) -> Iterator[tuple[str, bytes]]:
    """Playlists that no demuxer of FFmpeg knows by their content; and names that are patterns to one of them, which
    reads the files beside it."""
    for target in (str(secret), f"http://{server}/a.wav"):
        yield "list.asx", f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>'.encode()
        tracks = f"<trackList><track><location>{target}</location></track></trackList>"
        yield "list.xspf", f'<?xml version="1.0"?><playlist xmlns="http://xspf.org/ns/0/">{tracks}</playlist>'.encode()
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    for pattern in ("picture-%03d.png", "the-secret-of-%*.wav", "{the,a}-[a-z]?*.wav"):
        yield pattern, picture


def works_as_ever(one: Service, folder: Path) -> None:
    assert one.get("/health").status_code == one.get("/ready").status_code == 200
    job_id = one.submit(write_noise(folder / "good.wav", 3, seed=1))
    assert one.wait_for(job_id)["status"] == "completed"
    assert httpx.delete(f"{one.base}/v1/transcriptions/{job_id}", timeout=30).status_code == 204
    assert one.process is not None
    assert not decoders_of(one.process.pid)


def files_of(one: Service, part: str) -> Iterator[Path]:
    yield from files_below(one.data / part)
