"""Turn the packets of one track into samples at their positions. Runs in the decoder child only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from av import AudioFrame, Packet
from av.audio.stream import AudioStream
from av.error import FFmpegError

from dictograph.audio.bounds import MAX_PACKET_BYTES, is_sound
from dictograph.audio.containers.heads import STAMPED
from dictograph.audio.decode_warnings import WarningCollector
from dictograph.audio.pcm_writer import PcmWriter, TooManySamples
from dictograph.audio.timeline import Move, Place, Timeline
from dictograph.audio.tracks import legs
from dictograph.audio.tracks.runs import Run
from dictograph.audio.tracks.sound import has_sound
from dictograph.audio_format import SAMPLE_BYTES, SAMPLE_RATE

#: Audio may be dropped because it overlaps. Audio further beyond the limit than this (s) is not even decoded.
_DECODE_SLACK_S = 60.0

#: Codecs that send nothing during silence, and the length (in samples) of a gap that causes no warning.
_PAUSING_CODECS = frozenset({"opus", "libopus"})
_SHORT_PAUSE = SAMPLE_RATE

#: A missing end shorter than this is no truncation: seconds, and a share of the whole.
_END_TOLERANCE_S = 1.0
_END_TOLERANCE = 0.01

#: For so many seconds of stereo it is decided at once whether the legs cancel each other.
_BLOCK_S = 0.5

#: The one leg that is read where both cancel each other: the left one.
_ONE_LEG = (0,)


class TrackDecoder:
    """Decodes one track into one file of samples, or into one for each of its channels.

    Args:
        stream: the track.
        container: FFmpeg's name of the container.
        origin: the container's time (s) that counts as time zero; None: the time of the first frame.
        writers: the files of samples.
        channels: the channels of the track that go into them, from 0; None: their mix goes into the only one.
        max_seconds: how much may be decoded.
    """

    def __init__(
        self,
        stream: AudioStream,
        container: str,
        origin: float | None,
        writers: Sequence[PcmWriter],
        channels: Sequence[int] | None,
        max_seconds: float,
    ) -> None:
        self.writers = writers
        self.notes = WarningCollector()
        self._stream = stream
        self._container = container
        self._codec = stream.codec_context.name
        self._channels = channels
        self._max_decoded = max_seconds + _DECODE_SLACK_S
        self._timeline = Timeline(origin, stamped=container in STAMPED)
        self._sound = [False] * len(writers)
        self._decoded = 0.0
        self._written = False
        self._held: AudioFrame | None = None
        self._run: Run | None = None
        self._block: list[tuple[AudioFrame, int]] = []  # with the positions of the frames
        self._block_seconds = 0.0
        self._one_leg = False

    @property
    def decoded(self) -> float:
        """Return the seconds of audio that were decoded."""
        return self._decoded

    @property
    def anything(self) -> bool:
        """Return whether any audio was decoded."""
        return self._written or bool(self._block) or self._held is not None

    @property
    def position(self) -> int:
        """Return how many samples are written, flushed or not."""
        return self.writers[0].position

    @property
    def silent(self) -> list[bool]:
        """Return of each file of samples whether there was nothing louder than −70 dBFS in it."""
        return [not sound for sound in self._sound]

    def decode(self, packet: Packet[AudioStream] | None) -> None:
        """Decode a packet; None: the track ends. Raises TooManySamples, MemoryError, CannotWrite."""
        for frame in self._frames(packet):
            self._take(frame)
        if packet is None:
            self._settle()

    def damage(self) -> None:
        """Record that audio was lost here."""
        self._settle()
        self.notes.damage(self._timeline.position)

    def join(self, stream: AudioStream) -> None:
        """Go on with the track of another file, joined to this one."""
        self._stream, self._codec = stream, stream.codec_context.name
        self._timeline.join()

    def flush(self) -> int:
        """Write what is ready; return how many samples every file holds."""
        return min(writer.flush() for writer in self.writers)

    def finish(self) -> None:
        """End the track."""
        self._settle()
        self._end_run(self._timeline.position)
        self.flush()

    def missing(self, announced: float | None) -> str | None:
        """Return in words what the track lacks of its announced length (s)."""
        if announced is None:
            return None
        if announced - self.position / SAMPLE_RATE > max(_END_TOLERANCE_S, _END_TOLERANCE * announced):
            return f"the file announces {announced:.1f} s"
        return None

    def _frames(self, packet: Packet[AudioStream] | None) -> list[AudioFrame]:
        if packet is not None and self._lost_something(packet):
            self.damage()
        if packet is not None and self._is_padding(packet):
            return []
        if packet is not None and packet.size > MAX_PACKET_BYTES:
            self.damage()
            return []
        try:
            return self._stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except EOFError:
            return []
        except FFmpegError:
            self.damage()
            return []

    def _is_padding(self, packet: Packet[AudioStream]) -> bool:
        # A chunk of WAV has an even length. Some writers count the byte that fills up a last block of GSM's 65.
        return packet.size == 1 and self._codec == "gsm_ms"

    def _lost_something(self, packet: Packet[AudioStream]) -> bool:
        # Only transport streams number their packets. In other containers the mark means a short last packet.
        return packet.is_corrupt and self._container == "mpegts" and self.anything

    def _take(self, frame: AudioFrame) -> None:
        """Hold the frame until the next one, whose time stamp may show that this one's is wrong."""
        if not frame.samples or not frame.sample_rate:
            return
        if not is_sound(frame):
            self.damage()
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
        place = self._timeline.place(_time(frame), damaged=self.notes.damaged, by_next=by_next)
        self._note(place, here)
        if place.move in (Move.AFTER_GAP, Move.OVERLAPS):
            self._end_run(here)
            for writer in self.writers:
                writer.go_to(place.position)
        seconds = frame.samples / frame.sample_rate
        self._block.append((frame, self._timeline.position))
        self._block_seconds += seconds
        if not self._may_cancel(frame) or self._block_seconds >= _BLOCK_S:
            self._write_block()
        self._advance(seconds)

    def _note(self, place: Place, here: int) -> None:
        if place.move is Move.CLOCK_CHANGED:
            self.notes.clock_changed(place.position)
        least = _SHORT_PAUSE if self._codec in _PAUSING_CODECS else 0
        if place.move is Move.AFTER_GAP and self.anything and place.position - here > least:
            self.notes.gap(here, place.position)
        if place.move is Move.OVERLAPS:
            self.notes.overlap(place.position, here)
        self.notes.sound(place.position)

    def _advance(self, seconds: float) -> None:
        self._timeline.advance(seconds)
        self._decoded += seconds
        if self._decoded > self._max_decoded:
            raise TooManySamples

    # --- from frames to samples

    def _may_cancel(self, frame: AudioFrame) -> bool:
        return self._channels is None and len(frame.layout.channels) == 2

    def _write_block(self) -> None:
        block, self._block, self._block_seconds = self._block, [], 0.0
        pairs = [frame for frame, _ in block if self._may_cancel(frame)]
        if pairs and (found := legs.cancel(pairs)) is not None:
            self._one_leg = found
        if pairs and self._one_leg:
            self.notes.cancelled(block[0][1], block[-1][1] + _length(block[-1][0]))
        for frame, position in block:
            self._write(frame, position)

    def _write(self, frame: AudioFrame, position: int) -> None:
        channels = _ONE_LEG if self._one_leg and self._may_cancel(frame) else self._channels
        if self._run is not None and not self._run.suits(frame, channels):
            self._close_run(position)
        if self._run is None:
            self._catch_up(position)
            self._run = Run(frame, channels)
        try:
            planes = self._run.resampled(frame)
        except MemoryError:
            raise
        except (FFmpegError, ValueError):  # damage can claim 255 channels
            self._run = None
            self.notes.damage(position)
            return
        self._write_planes(planes)

    def _catch_up(self, position: int) -> None:
        """Take silence for frames that could not be resampled."""
        for writer in self.writers:
            if writer.position < position:
                writer.go_to(position)

    def _write_planes(self, planes: Sequence[bytes]) -> None:
        self._written = True
        for number, (writer, samples) in enumerate(zip(self.writers, planes, strict=True)):
            writer.write(samples)
            self._sound[number] = self._sound[number] or has_sound(samples)

    def _end_run(self, end: int) -> None:
        """Write everything before position `end`, at which the samples end exactly."""
        if self._block:
            self._write_block()
        self._close_run(end)

    def _close_run(self, end: int) -> None:
        """Flush the resampler, so that the samples end exactly at position `end`."""
        if self._run is None:
            return
        rest = self._run.rest()
        self._run = None
        for writer, samples in zip(self.writers, rest, strict=True):
            writer.write(samples[: max(0, end - writer.next_position) * SAMPLE_BYTES])
            if writer.position < end:
                writer.go_to(end)


def _length(frame: AudioFrame) -> int:
    return round(frame.samples / frame.sample_rate * SAMPLE_RATE)


def _time(frame: AudioFrame) -> float | None:
    # A frame that a decoder returns at the end, without a packet, has no time base. PyAV has no time for it.
    return None if frame.time is None or math.isnan(frame.time) else frame.time
