"""Group words into segments for subtitles: cut at pauses, at the ends of sentences, and when they grow long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dictograph.abbreviations import belongs_to_next
from dictograph.text_width import width
from dictograph.transcript import Word

#: A pause this long, in seconds, ends a segment.
PAUSE_S = 0.6

#: The longest segment. Subtitles hold two lines of 42 characters for at most 7 s (Netflix, "Timed
#: Text Style Guide: General Requirements"); we allow one second more before cutting a sentence.
LONGEST_S = 8.0
WIDEST = 84

# A sentence shorter than this stays with the next one: "Yes. I do."
_SHORT_S = 1.0
_SHORT_WIDTH = 12

_SENTENCE_ENDS = frozenset(".?!…。？！।؟۔")
_CLAUSE_ENDS = frozenset(",;:—，、；：،؛")
_CLOSING = "\"'”’»›)]}」』）】"


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as it stands in the text (with the space before it, where there is one) and its tokens."""

    start: float
    end: float
    text: str
    probability: float
    tokens: tuple[int, ...] = ()

    def as_word(self) -> Word:
        return Word(self.start, self.end, self.text.strip(), self.probability)


def group(words: Sequence[TimedWord]) -> list[list[TimedWord]]:
    """Return the words of each segment, in order. Every word is in one of them."""
    groups: list[list[TimedWord]] = []
    for phrase in _phrases(words):
        groups.extend(_short_enough(phrase))
    return groups


def text_of(words: Sequence[TimedWord]) -> str:
    """Return the text of consecutive words."""
    return "".join(word.text for word in words).strip()


def _phrases(words: Sequence[TimedWord]) -> Iterator[list[TimedWord]]:
    phrase: list[TimedWord] = []
    for word in words:
        if phrase and _parted(phrase, word):
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _parted(phrase: Sequence[TimedWord], word: TimedWord) -> bool:
    if word.start - phrase[-1].end >= PAUSE_S:
        return True
    if not _ends_sentence(phrase[-1].text, word.text):
        return False
    return phrase[-1].end - phrase[0].start >= _SHORT_S or width(text_of(phrase)) >= _SHORT_WIDTH


def _ends_sentence(text: str, following: str) -> bool:
    bare = text.strip().rstrip(_CLOSING)
    if not bare or bare[-1] not in _SENTENCE_ENDS or belongs_to_next(text, following):
        return False
    return not following.strip()[:1].islower()


def _short_enough(phrase: list[TimedWord]) -> list[list[TimedWord]]:
    if len(phrase) == 1 or (phrase[-1].end - phrase[0].start <= LONGEST_S and width(text_of(phrase)) <= WIDEST):
        return [phrase]
    cut = max(range(1, len(phrase)), key=lambda index: _cut_quality(phrase, index))
    return _short_enough(phrase[:cut]) + _short_enough(phrase[cut:])


def _cut_quality(phrase: Sequence[TimedWord], index: int) -> float:
    """Return how good it is to begin a segment at `index`: after a comma, at a pause, near the middle."""
    before, after = phrase[index - 1], phrase[index]
    mark = before.text.strip()[-1:]
    score = 1.0 if mark in _SENTENCE_ENDS else 0.6 if mark in _CLAUSE_ENDS else 0.0
    score += min(max(after.start - before.end, 0.0) / PAUSE_S, 1.0)
    balance = min(index, len(phrase) - index) / len(phrase)  # 0.5 in the very middle
    return score + 2 * balance
