"""The loop that turns packets into samples at their positions. Runs in the decoder child only."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from typing import cast

from av import AudioFrame, AudioResampler, Packet
from av.audio.stream import AudioStream
from av.error import FFmpegError

from dictograph.audio.bounds import MAX_PACKET_BYTES, OPENING_CPU_S, is_sound, within
from dictograph.audio.containers.heads import STAMPED
from dictograph.audio.decode_warnings import WarningCollector
from dictograph.audio.media import Media
from dictograph.audio.pcm_writer import PcmWriter, TooManySamples
from dictograph.audio.timeline import Move, Place, Timeline
from dictograph.audio_format import SAMPLE_BYTES, SAMPLE_RATE
from dictograph.child.loop import ChildError
from dictograph.transcript import JobWarning

#: Progress is reported at least after this number of samples (16 s of audio), or of seconds.
_NEWS_SAMPLES = 16 * SAMPLE_RATE
_NEWS_S = 1.0

#: The number of failures in a row after which reading is given up.
_MAX_READ_FAILURES = 16

#: Audio may be dropped because it overlaps. Audio further beyond the limit than this (s) is not even decoded.
_DECODE_SLACK_S = 60.0

#: Codecs that send nothing during silence, and the length (in samples) of a gap that causes no warning.
_PAUSING_CODECS = frozenset({"opus", "libopus"})
_SHORT_PAUSE = SAMPLE_RATE

#: A missing end shorter than this is no truncation: seconds, and a share of the whole.
_END_TOLERANCE_S = 1.0
_END_TOLERANCE = 0.01


class DecodeLoop:
    """Decodes one stream into one file of samples."""

    def __init__(self, media: Media, writer: PcmWriter, max_seconds: float) -> None:
        self._media = media
        self._writer = writer
        self._max_decoded = max_seconds + _DECODE_SLACK_S
        self._timeline = Timeline(media.origin, stamped=media.container_name in STAMPED)
        self._notes = WarningCollector()
        self._decoded = 0.0
        self._held: AudioFrame | None = None
        self._read_to = 0
        self._unread_links = 0
        self._run: _Run | None = None

    def run(self) -> Iterator[int]:
        """Decode to the end. From time to time, if the number has changed, yield how many samples the file holds.

        Raises TooManySamples, MemoryError, CannotWrite.
        """
        told, told_at, told_decoded = 0, time.monotonic(), 0.0
        for packet in self._packets():
            for frame in self._frames(packet):
                self._take(frame)
            due = self._writer.position - told >= _NEWS_SAMPLES or time.monotonic() - told_at >= _NEWS_S
            if due and self._decoded > told_decoded:
                told, told_at, told_decoded = self._writer.flush(), time.monotonic(), self._decoded
                yield told
        self._settle()
        self._end_run(self._timeline.position)
        self._writer.flush()

    @property
    def anything(self) -> bool:
        """Return whether any audio was decoded."""
        return self._decoded > 0 or self._held is not None

    def warnings(self) -> list[JobWarning]:
        """Return the warnings about the file after it was decoded."""
        unread = self._unread_links or (self._media.unread(self._read_to) if self._read_to else 0)
        return self._notes.finish(self._writer.position, self._missing(), unread=unread, more=self._media.goes_on)

    def _packets(self) -> Iterator[Packet[AudioStream] | None]:
        """Yield the stream's packets, link by link, and after each link one None to flush the decoder."""
        yield from self._packets_of_link()
        while self._media.has_next_link:
            self._settle()
            try:
                with within(OPENING_CPU_S):
                    self._media = self._media.next_link()
            except ChildError:
                self._unread_links = os.fstat(self._media.file.fileno()).st_size - self._media.end
                return
            self._timeline.join()
            yield from self._packets_of_link()

    def _packets_of_link(self) -> Iterator[Packet[AudioStream] | None]:
        failures = 0
        while failures < _MAX_READ_FAILURES:
            try:
                for packet in self._media.container.demux():
                    if packet.pos is not None:
                        self._read_to = max(self._read_to, self._media.begin + packet.pos + packet.size)
                    if packet.size and packet.stream_index == self._media.stream.index:
                        failures = 0
                        yield cast("Packet[AudioStream]", packet)
                break
            except IndexError:
                # PyAV ends in this way if new streams appeared during reading.
                break
            except FFmpegError:  # its MemoryError too: damage can announce a thousand streams
                failures += 1
                self._damage()
        yield None

    def _frames(self, packet: Packet[AudioStream] | None) -> list[AudioFrame]:
        if packet is not None and self._lost_something(packet):
            self._damage()
        if packet is not None and self._is_padding(packet):
            return []
        if packet is not None and packet.size > MAX_PACKET_BYTES:
            self._damage()
            return []
        try:
            return self._media.stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except EOFError:
            return []
        except FFmpegError:
            self._damage()
            return []

    def _is_padding(self, packet: Packet[AudioStream]) -> bool:
        # A chunk of WAV has an even length. Some writers count the byte that fills up a last block of GSM's 65.
        return packet.size == 1 and self._media.codec_name == "gsm_ms"

    def _damage(self) -> None:
        self._settle()
        self._notes.damage(self._timeline.position)

    def _lost_something(self, packet: Packet[AudioStream]) -> bool:
        # Only transport streams number their packets. In other containers the mark means a short last packet.
        return packet.is_corrupt and self._media.container_name == "mpegts" and self.anything

    def _take(self, frame: AudioFrame) -> None:
        """Hold the frame until the next one, whose time stamp may show that this one's is wrong."""
        if not frame.samples or not frame.sample_rate:
            return
        if not is_sound(frame):
            self._damage()
            return
        self._settle(_time(frame))
        self._held = frame

    def _settle(self, next_time: float | None = None) -> None:
        """Put the held frame at its position. `next_time` is the time stamp of the frame after it."""
        frame, self._held = self._held, None
        if frame is not None:
            self._put(frame, None if next_time is None else next_time - frame.samples / frame.sample_rate)

    def _put(self, frame: AudioFrame, by_next: float | None) -> None:
        here = self._timeline.position
        place = self._timeline.place(_time(frame), damaged=self._notes.damaged, by_next=by_next)
        self._note(place, here)
        if place.move in (Move.AFTER_GAP, Move.OVERLAPS):
            self._end_run(here)
            self._writer.go_to(place.position)
        if self._run is None or not self._run.suits(frame):
            self._end_run(here)
            self._run = _Run(frame)
        seconds = frame.samples / frame.sample_rate
        try:
            samples = self._run.resampled(frame)
        except MemoryError:
            raise
        except FFmpegError:  # damage can claim 255 channels
            self._run = None
            self._notes.damage(self._timeline.position)
            return
        self._writer.write(samples)
        self._advance(seconds)

    def _note(self, place: Place, here: int) -> None:
        if place.move is Move.CLOCK_CHANGED:
            self._notes.clock_changed(place.position)
        least = _SHORT_PAUSE if self._media.codec_name in _PAUSING_CODECS else 0
        if place.move is Move.AFTER_GAP and self.anything and place.position - here > least:
            self._notes.gap(here, place.position)
        if place.move is Move.OVERLAPS:
            self._notes.overlap(place.position, here)
        self._notes.sound(place.position)

    def _advance(self, seconds: float) -> None:
        self._timeline.advance(seconds)
        self._decoded += seconds
        if self._decoded > self._max_decoded:
            raise TooManySamples

    def _end_run(self, end: int) -> None:
        """Flush the resampler, so that the samples end exactly at position `end`."""
        if self._run is None:
            return
        rest = self._run.rest()
        self._run = None
        self._writer.write(rest[: max(0, end - self._writer.next_position) * SAMPLE_BYTES])
        if self._writer.position < end:
            self._writer.go_to(end)

    def _missing(self) -> str | None:
        if self._media.bytes_missing:
            return f"the file lacks {self._media.bytes_missing} bytes at its end"
        announced = self._media.announced
        if announced is None:
            return None
        if announced - self._writer.position / SAMPLE_RATE > max(_END_TOLERANCE_S, _END_TOLERANCE * announced):
            return f"the file announces {announced:.1f} s"
        return None


class _Run:
    """Frames of the same format, which are resampled together."""

    def __init__(self, first: AudioFrame) -> None:
        self._form = _form(first)
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def suits(self, frame: AudioFrame) -> bool:
        return self._form == _form(frame)

    def resampled(self, frame: AudioFrame) -> bytes:
        # The position comes from the time stamp. The resampler must not decide another one.
        frame.pts = None
        return _bytes(self._resampler.resample(frame))

    def rest(self) -> bytes:
        # Audio that is already 16 kHz mono passes through, and flushing returns the None.
        return _bytes([frame for frame in self._resampler.resample(None) if frame is not None])


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _time(frame: AudioFrame) -> float | None:
    # A frame that a decoder returns at the end, without a packet, has no time base. PyAV has no time for it.
    return None if frame.time is None or math.isnan(frame.time) else frame.time


def _bytes(frames: list[AudioFrame]) -> bytes:
    return b"".join(bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES] for frame in frames)
