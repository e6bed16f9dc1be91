"""The loop that reads a file's packets and gives them to the decoders of its tracks. Runs in the decoder child only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from av import Packet
from av.audio.stream import AudioStream
from av.error import FFmpegError

from dictograph.audio.bounds import OPENING_CPU_S, within
from dictograph.audio.media import Media
from dictograph.audio.pcm_writer import PcmWriter
from dictograph.audio.tracks.left_out import LeftOut
from dictograph.audio.tracks.outputs import Output, outputs_of
from dictograph.audio.tracks.selection import Selection
from dictograph.audio.tracks.track_decoder import TrackDecoder
from dictograph.audio_format import SAMPLE_RATE
from dictograph.child.loop import ChildError
from dictograph.transcript import JobWarning

#: Progress is reported at least after this number of samples (16 s of audio), or of seconds.
_NEWS_SAMPLES = 16 * SAMPLE_RATE
_NEWS_S = 1.0

#: The number of failures in a row after which reading is given up.
_MAX_READ_FAILURES = 16


class DecodeLoop:
    """Decodes the chosen tracks of a file into files of samples.

    Raises ChildError where there are more outputs than writers.
    """

    def __init__(
        self, media: Media, writers: Sequence[PcmWriter], max_seconds: float, selection: Selection | None = None
    ) -> None:
        self._selection = selection or Selection()
        self._media = media
        self.outputs: tuple[Output, ...] = outputs_of(media.tracks, self._selection)
        self._writers = writers[: len(self.outputs)]
        self._tracks = [self._decoder(number, max_seconds) for number in range(len(media.tracks))]
        self._left_out = LeftOut(media)
        self._read_to = 0
        self._unread_links = 0

    def run(self) -> Iterator[tuple[int, int]]:
        """Decode to the end. From time to time, if the audio has grown, yield how many samples all files hold, and how
        far the furthest track has come.

        Raises TooManySamples, MemoryError, CannotWrite.
        """
        told, told_at, told_decoded = 0, time.monotonic(), 0.0
        for packet in self._packets():
            self._decode(packet)
            reached = max(track.position for track in self._tracks)
            decoded = sum(track.decoded for track in self._tracks)
            due = reached - told >= _NEWS_SAMPLES or time.monotonic() - told_at >= _NEWS_S
            if due and decoded > told_decoded:
                told, told_at, told_decoded = reached, time.monotonic(), decoded
                yield min(track.flush() for track in self._tracks), reached
        self._finish()

    @property
    def anything(self) -> bool:
        """Return whether any audio was decoded."""
        return any(track.anything for track in self._tracks)

    @property
    def samples(self) -> int:
        """Return how many samples each file holds at the end."""
        return max(track.position for track in self._tracks)

    def warnings(self) -> list[JobWarning]:
        """Return the warnings about the file after it was decoded."""
        found: list[JobWarning] = []
        for number, track in enumerate(self._tracks):
            last = number == len(self._tracks) - 1
            missing = self._media.why_missing or track.missing(self._media.announced[number])
            unread = self._unread() if last else 0
            found += track.notes.finish(track.position, missing, unread=unread, more=last and self._media.goes_on)
        return [*self._left_out.warnings(), *self._silent_outputs(), *found]

    def _unread(self) -> int:
        return self._unread_links or (self._media.unread(self._read_to) if self._read_to else 0)

    def _silent_outputs(self) -> list[JobWarning]:
        silent = [flag for track in self._tracks for flag in track.silent]
        if not self._selection.side_by_side or all(silent):
            return []
        return [
            JobWarning("silent_channel", f"{output.name} holds no sound, and was left out.")
            for output, flag in zip(self.outputs, silent, strict=True)
            if flag
        ]

    def _decoder(self, number: int, max_seconds: float) -> TrackDecoder:
        mine = [n for n, output in enumerate(self.outputs) if output.track == number]
        channels = [output.channel for n, output in enumerate(self.outputs) if n in mine and output.channel is not None]
        return TrackDecoder(
            self._media.tracks[number].stream,
            self._media.container_name,
            self._media.origin,
            [self._writers[n] for n in mine],
            channels or None,
            max_seconds,
        )

    def _decode(self, packet: Packet[AudioStream] | None) -> None:
        if packet is None:
            for track in self._tracks:
                track.decode(None)
            return
        track_number = self._media.number_of(packet.stream_index)
        if track_number is None:
            self._left_out.look(packet)
        else:
            self._tracks[track_number].decode(packet)

    def _packets(self) -> Iterator[Packet[AudioStream] | None]:
        """Yield the packets with audio, link by link, and after each link one None to flush the decoders."""
        yield from self._packets_of_link()
        while self._media.has_next_link:
            try:
                with within(OPENING_CPU_S):
                    self._media = self._media.next_link()
            except ChildError:
                self._unread_links = os.fstat(self._media.file.fileno()).st_size - self._media.end
                return
            for track, opened in zip(self._tracks, self._media.tracks, strict=False):
                track.join(opened.stream)
            yield from self._packets_of_link()

    def _is_wanted(self, packet: Packet[Any]) -> bool:
        return self._media.number_of(packet.stream_index) is not None or self._left_out.wants(packet)

    def _packets_of_link(self) -> Iterator[Packet[AudioStream] | None]:
        failures = 0
        while failures < _MAX_READ_FAILURES:
            try:
                for packet in self._media.container.demux():
                    if packet.pos is not None:
                        self._read_to = max(self._read_to, self._media.begin + packet.pos + packet.size)
                    if packet.size and self._is_wanted(packet):
                        failures = 0
                        yield cast("Packet[AudioStream]", packet)
                break
            except IndexError:
                # PyAV ends in this way if new streams appeared during reading.
                break
            except FFmpegError:  # its MemoryError too: damage can announce a thousand streams
                failures += 1
                for track in self._tracks:
                    track.damage()
        yield None

    def _finish(self) -> None:
        for track in self._tracks:
            track.finish()
        for writer in self._writers:
            if writer.position < self.samples:
                writer.go_to(self.samples)
            writer.flush()
