from __future__ import annotations

import pytest

from dictograph.audio.containers.heads import bytes_missing, known_start, states_length, tag_size, why_not_audio


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"", "empty"),
        (b"just some words\n" * 20, "text"),
        ("Grüße aus Köln".encode()[:-9], "text"),
        ("Grüße".encode("utf-16"), "text"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "playlist"),
        (b"\xef\xbb\xbf  #EXTM3U\n", "playlist"),
        (b"ffconcat version 1.0\nfile secret.wav\n", "playlist"),
        (b"[playlist]\nFile1=x\n", "playlist"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "playlist"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n", "SDP"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"%PDF-1.7\n\x00", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
    ],
)
def test_what_is_surely_no_audio_is_named(head: bytes, says: str) -> None:
    assert says in (why_not_audio(head) or "")


@pytest.mark.parametrize(
    "head", [b"RIFF\x24\x00\x00\x00WAVE", b"ID3\x04\x00", b"#!AMR\n\x3c\x01\x02", b"\xff\xfb\x90\x00"]
)
def test_what_may_be_audio_is_left_to_ffmpeg(head: bytes) -> None:
    assert why_not_audio(head) is None


def test_the_beginning_tells_what_a_broken_file_was_to_be() -> None:
    assert known_start(b"\x00\x00\x00\x20ftypM4A ") == "mov"
    assert known_start(b"OggS\x00") == "ogg"
    assert known_start(b"\x01\x02\x03\x04\x05\x06\x07\x08") is None


def test_headers_that_state_a_length() -> None:
    assert tag_size(b"ID3\x04\x00\x00\x00\x00\x02\x01") == 10 + 257
    assert tag_size(b"\xff\xfb\x90\x00" * 4) == 0
    assert states_length("mp3", b"\xff\xfb\x90\x00" + b"\x00" * 32 + b"Xing")
    assert not states_length("mp3", b"\xff\xfb\x90\x00" + b"\x00" * 400)
    assert not states_length("mpegts", b"")
    assert bytes_missing(b"RIFF" + (1000).to_bytes(4, "little"), 508) == 500
    assert bytes_missing(b"RIFF" + (1000).to_bytes(4, "little"), 1008) == 0
    assert bytes_missing(b"RIFF\xff\xff\xff\xff", 44) == 0
    assert bytes_missing(b"fLaC\xff\x00\x00\x00", 44) == 0
