"""Tracks that are not transcribed: whether they hold sound, and what the job says of them. Runs in the decoder child
only."""

from __future__ import annotations

from typing import Any

from av import Packet
from av.audio.stream import AudioStream
from av.error import FFmpegError

from dictograph.audio.media import Media
from dictograph.audio.tracks.sound import SoundFinder
from dictograph.audio.tracks.track import Track
from dictograph.transcript import JobWarning

#: So many tracks that are left out are looked at, and named; a file may announce a thousand.
_MOST = 16


class LeftOut:
    """Looks at the tracks of a file that nobody asked for, until each shows sound."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._finders = {track.stream.index: (track, SoundFinder()) for track in media.left_out[:_MOST]}

    def wants(self, packet: Packet[Any]) -> bool:
        """Return whether a packet may still tell something."""
        found = self._finders.get(packet.stream_index)
        return found is not None and found[0].readable and found[1].found_at is None

    def look(self, packet: Packet[AudioStream]) -> None:
        """Look for sound in a packet of a track that is left out."""
        track, finder = self._finders[packet.stream_index]
        try:
            for frame in track.stream.codec_context.decode(packet):
                if finder.look(frame):
                    return
        except MemoryError:
            raise
        except FFmpegError:
            return

    def warnings(self) -> list[JobWarning]:
        """Return what has to be said of the tracks that were left out."""
        if not self._finders:
            return []
        taken = self._media.tracks[0]
        others = [self._described(track, finder) for track, finder in self._finders.values()]
        if (more := len(self._media.left_out) - len(others)) > 0:
            others.append(f"{more} more")
        text = f"The file has {1 + len(self._media.left_out)} audio tracks: {taken.name} was taken; left out: "
        found = [JobWarning("tracks_left_out", f"{text}{', '.join(others)}. The option `track` takes others.")]
        return [*found, *self._late_sound()]

    def _described(self, track: Track, finder: SoundFinder) -> str:
        if not track.readable:
            return f"{track.name}, which cannot be read"
        return track.name if finder.found_at is not None else f"{track.name}, which is silent"

    def _late_sound(self) -> list[JobWarning]:
        """Return the warnings about tracks that seemed silent, and so gave way, and have sound later."""
        return [
            JobWarning(
                "sound_left_out",
                f"{track.name.capitalize()} has no sound in its first minutes, so another one was taken; but it has "
                "sound later on.",
                round(finder.found_at, 3),
            )
            for track, finder in self._finders.values()
            if track.number in self._media.gave_way and finder.found_at is not None
        ]
