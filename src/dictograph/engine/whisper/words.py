"""Turn Whisper's alignment of tokens with sound into words with the times that a person would give them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dictograph.engine.loudness import FRAME_S, Loudness
from dictograph.engine.segments import TimedWord

#: Seconds of one step of Whisper's alignment: two mel frames.
STEP_S = 0.02

#: Punctuation that belongs to the word behind it, and to the one before it.
OPENING = frozenset("\"'“¿([{-‘«„「『（【")
CLOSING = frozenset("\"'.。,，!！?？:：”)]}、…;»’」』）】؟،।")

# A pause this long is not inside a word (the closure of a stop lasts some 0.1 s).
_PAUSE_FRAMES = 20
# The margin before and after the sound of a word.
_MARGIN_FRAMES = 2
# How far a word may grow into sound that no other word claims.
_GROWTH_FRAMES = 30
# No person speaks slower than this; a longer word includes noise. A digit or an ideograph stands
# for several sounds.
_SLOW_BASE_S, _SLOW_LETTER_S, _LETTERS_OF_A_SIGN = 0.6, 0.12, 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as the tokenizer splits it: its text and how many tokens it has."""

    text: str
    tokens: tuple[int, ...]


def with_punctuation(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces, with each punctuation mark joined to its word."""
    opened: list[Piece] = []
    carried = Piece("", ())
    for piece in pieces:
        carried = _joined(carried, piece)
        if not (piece.text.startswith(" ") and _only(piece.text.strip(), OPENING)):
            opened.append(carried)
            carried = Piece("", ())
    if carried.tokens:
        opened.append(carried)
    words: list[Piece] = []
    for piece in opened:
        if words and _only(piece.text, CLOSING):
            words[-1] = _joined(words[-1], piece)
        else:
            words.append(piece)
    return words


def aligned_words(
    pieces: Sequence[Piece], path: Sequence[tuple[int, int]], probabilities: Sequence[float]
) -> list[TimedWord]:
    """Return words with the times at which the alignment's path enters and leaves their tokens.

    `path` pairs text positions with steps of STEP_S, and ends with the position behind the last token.
    """
    begins = _first_steps(path)
    words, position = [], 0
    for piece in pieces:
        end = position + len(piece.tokens)
        probability = round(float(np.mean(probabilities[position:end])), 4) if position < end else 0.0
        start_s, end_s = begins[min(position, len(begins) - 1)], begins[min(end, len(begins) - 1)]
        words.append(TimedWord(start_s * STEP_S, end_s * STEP_S, piece.text, probability, piece.tokens))
        position = end
    return words


def refine_times(words: Sequence[TimedWord], loudness: Loudness, duration: float) -> list[TimedWord]:
    """Return the words with times that fit their sound, in order and within `duration` seconds.

    The alignment assigns every moment to a word, also pauses. So each word is cut down to its longest part of sound
    without a pause, then grows into sound that belongs to no word, and keeps a length that can be spoken.
    """
    frames = [_to_sound(_frames(word), loudness.sound) for word in words]
    frames = _grown(frames, loudness.sound)
    spans = [
        _speakable(word.text, start * FRAME_S, end * FRAME_S, begins=_after_pause(frames, index))
        for index, (word, (start, end)) in enumerate(zip(words, frames, strict=True))
    ]
    return list(_in_order(words, spans, duration))


def _joined(one: Piece, other: Piece) -> Piece:
    return Piece(one.text + other.text, one.tokens + other.tokens)


def _only(text: str, marks: frozenset[str]) -> bool:
    return bool(text) and all(char in marks for char in text)


def _first_steps(path: Sequence[tuple[int, int]]) -> list[int]:
    first: dict[int, int] = {}
    for position, step in path:
        first.setdefault(position, step)
    return [first[position] for position in sorted(first)] or [0]


def _frames(word: TimedWord) -> tuple[int, int]:
    return round(word.start / FRAME_S), round(word.end / FRAME_S)


def _to_sound(span: tuple[int, int], sound: NDArray[np.bool_]) -> tuple[int, int]:
    start, end = span
    islands = list(_islands(sound[start:end]))
    if not islands:
        return span
    first, last = max(islands, key=lambda island: island[1] - island[0])
    return max(start, start + first - _MARGIN_FRAMES), min(end, start + last + _MARGIN_FRAMES)


def _islands(sound: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield ranges (first, behind the last) of sound; no pause in one is longer than inside a word."""
    loud = np.flatnonzero(sound)
    if loud.size == 0:
        return
    for frames in np.split(loud, np.flatnonzero(np.diff(loud) > _PAUSE_FRAMES) + 1):
        yield int(frames[0]), int(frames[-1]) + 1


def _grown(frames: Sequence[tuple[int, int]], sound: NDArray[np.bool_]) -> list[tuple[int, int]]:
    grown = list(frames)
    for index, (start, end) in enumerate(frames):
        floor = max(grown[index - 1][1] if index else 0, start - _GROWTH_FRAMES)
        grown[index] = _reach(sound, start, floor, -1), end
    for index, (start, end) in enumerate(grown):
        ceiling = min(grown[index + 1][0] if index + 1 < len(grown) else len(sound), end + _GROWTH_FRAMES)
        grown[index] = start, _reach(sound, end, ceiling, 1)
    return grown


def _reach(sound: NDArray[np.bool_], edge: int, limit: int, direction: int) -> int:
    """Move an edge between frames outwards, as far as the frames it passes are sound."""
    while (limit - edge) * direction > 0 and _is_sound(sound, edge if direction > 0 else edge - 1):
        edge += direction
    return edge


def _is_sound(sound: NDArray[np.bool_], frame: int) -> bool:
    return frame < len(sound) and bool(sound[frame])


def _after_pause(frames: Sequence[tuple[int, int]], index: int) -> bool:
    return index == 0 or frames[index][0] - frames[index - 1][1] >= _PAUSE_FRAMES


def _speakable(text: str, start: float, end: float, *, begins: bool) -> tuple[float, float]:
    """Return at most the time that the word takes to say. The first word after a pause keeps its end."""
    letters = sum(_letters(char) for char in text)
    longest = _SLOW_BASE_S + _SLOW_LETTER_S * letters
    if end - start <= longest:
        return start, end
    return (end - longest, end) if begins else (start, start + longest)


def _letters(char: str) -> int:
    several = char.isdigit() or unicodedata.east_asian_width(char) in "WF"
    return _LETTERS_OF_A_SIGN if several else int(char.isalpha())


def _in_order(words: Sequence[TimedWord], spans: Sequence[tuple[float, float]], duration: float) -> Iterator[TimedWord]:
    before = 0.0
    for word, span in zip(words, spans, strict=True):
        start = min(max(span[0], before), duration)
        before = min(max(span[1], start), duration)
        yield replace(word, start=round(start, 3), end=round(before, 3))
