"""Open a file by a track that has sound: some recorders leave the first one empty. Runs in the decoder child only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import FileIO
from typing import Any, Final, cast

from av import Packet
from av.audio.stream import AudioStream
from av.error import FFmpegError

from dictograph.audio.bounds import MAX_PACKET_BYTES, OPENING_CPU_S, within
from dictograph.audio.media import Media, open_media
from dictograph.audio.tracks.selection import Selection
from dictograph.audio.tracks.sound import SoundFinder
from dictograph.audio.tracks.track import Track

#: How long (s) a track may be silent before another one that has sound by then is taken in its place.
PATIENCE_S: Final = 300.0


def open_with_sound(file: FileIO, name: str, selection: Selection) -> Media:
    """Open `file` as `open_media` does. Of several tracks, none of which was asked for, take one that has sound.

    The best track gives way if it has nothing louder than −70 dBFS in its first five minutes, and another one has.
    """
    with within(OPENING_CPU_S):
        media = open_media(file, name, selection)
    others = [track for track in media.left_out if track.readable]
    if selection.track is not None or not others:
        return media
    best = media.tracks[0]
    wanted = _with_sound(media, [best, *others])
    media.container.close()
    with within(OPENING_CPU_S):
        again = open_media(file, name, selection, prefer=wanted.number)
    gave_way = frozenset({best.number}) if wanted.number != best.number else frozenset[int]()
    return replace(again, gave_way=gave_way)


def _with_sound(media: Media, tracks: Sequence[Track]) -> Track:
    """Return the first of these tracks that has sound early on; the first of all if none has."""
    finders = {track.stream.index: SoundFinder() for track in tracks}
    best = finders[tracks[0].stream.index]
    try:
        for packet in media.container.demux([track.stream for track in tracks]):
            _look(packet, finders[packet.stream_index])
            if best.found_at is not None or _is_late(packet, media):
                break
    except (FFmpegError, IndexError):
        pass  # the damage is told when the file is decoded
    return next((track for track in tracks if finders[track.stream.index].found_at is not None), tracks[0])


def _look(packet: Packet[Any], finder: SoundFinder) -> None:
    if finder.found_at is not None or packet.size > MAX_PACKET_BYTES:
        return
    try:
        any(finder.look(frame) for frame in cast("Packet[AudioStream]", packet).decode())
    except MemoryError:
        raise
    except (FFmpegError, EOFError):
        return


def _is_late(packet: Packet[Any], media: Media) -> bool:
    if packet.pts is None or packet.time_base is None:
        return False
    return float(packet.pts * packet.time_base) - (media.origin or 0.0) > PATIENCE_S
