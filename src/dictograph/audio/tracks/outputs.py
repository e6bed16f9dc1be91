"""Say which files of samples a selection gives: one, one for each track, or one for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dictograph.audio.tracks.selection import ALL, EACH, MAX_MIXED, MAX_SIDE_BY_SIDE, SPLIT, Selection
from dictograph.audio.tracks.track import Track
from dictograph.child.loop import ChildError
from dictograph.errors import NoSuchChannel, TooManyChannels


@dataclass(frozen=True, slots=True)
class Output:
    """One file of samples: the place of its track among the chosen ones, and the channel, from 0; None: their mix.

    `name` is what a person calls it.
    """

    track: int
    channel: int | None
    name: str


def outputs_of(tracks: Sequence[Track], selection: Selection) -> tuple[Output, ...]:
    """Return the files of samples for the chosen tracks.

    Raises:
        ChildError: no_such_channel, too_many_channels, with a message.
    """
    if selection.track == ALL and selection.channels == SPLIT:
        text = "Tracks that are mixed (`track=all`) have no channels to split: use `track=each`."
        raise ChildError(NoSuchChannel.code, text)
    found = tuple(_outputs(tracks, selection))
    most = MAX_MIXED if selection.track == ALL else MAX_SIDE_BY_SIDE
    if len(found) > most:
        text = f"{len(found)} channels or tracks are more than the {most} that can be transcribed at once."
        raise ChildError(TooManyChannels.code, f"{text} Choose one by `track` or `channels`.")
    return found


def _outputs(tracks: Sequence[Track], selection: Selection) -> Iterator[Output]:
    for number, track in enumerate(tracks):
        of_track = f"Track {track.number}" if selection.track == EACH else ""
        if selection.channels == SPLIT:
            for channel in range(max(1, track.channels)):
                yield Output(number, channel, f"{of_track}, channel {channel + 1}" if of_track else _named(channel))
            continue
        wanted = selection.channel
        if wanted is not None and wanted >= track.channels:
            text = f"Channel {wanted + 1} was asked for, and the audio has {track.channels}."
            raise ChildError(NoSuchChannel.code, text)
        yield Output(number, wanted, of_track or "The audio")


def _named(channel: int) -> str:
    return f"Channel {channel + 1}"
