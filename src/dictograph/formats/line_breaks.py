"""Where a text may be broken: at spaces, and between characters in languages that write without spaces.

A part of the Unicode line breaking algorithm (UAX 14) that needs no dictionary: ideographs, kana and the letters of
South East Asia may be parted, but not a letter from its marks, nor an opening or closing mark from what it encloses.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

#: The scripts that are written without spaces: Thai, Lao, Tibetan, Myanmar, Khmer; kana, ideographs and their marks,
#: full-width forms. Korean has spaces.
_SPACELESS = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x312F), (0x3190, 0x4DBF),
    (0x4E00, 0xA4CF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF),
)  # fmt: skip

_NEVER_FIRST = frozenset(
    "、。，．・：；？！゛゜…‥ヽヾゝゞ々ー〜～／」』）】〕〉》〗〙〟”’!?,.:;)]}%％‼⁇⁈⁉—–-"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ"
    "ะาำๅๆฯະາຳຽໆຯ་།"
)
_NEVER_LAST = frozenset("「『（【〔〈《〖〘〝“‘([{$£¥￥＄€เแโใไເແໂໃໄ\u17d2\u1039\u200d\u2060\u00a0\u202f")
_DASHES = frozenset("—–")


def unbroken(text: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text that nothing may break, as ranges of characters. Spaces are between them."""
    begin = 0
    for place, char in enumerate(text):
        if char == " ":
            if place > begin:
                yield begin, place
            begin = place + 1
        elif place > begin and _may_part(text[place - 1], char):
            yield begin, place
            begin = place
    if begin < len(text):
        yield begin, len(text)


def is_spaceless(char: str) -> bool:
    """Tell whether a character is of a script that is written without spaces."""
    code = ord(char)
    return code >= 0x0E00 and any(first <= code <= last for first, last in _SPACELESS)


def _may_part(before: str, after: str) -> bool:
    if before in _DASHES:
        return after.isalnum()
    if not (is_spaceless(before) or is_spaceless(after)):
        return False
    if before in _NEVER_LAST or after in _NEVER_FIRST:
        return False
    return unicodedata.category(after) not in ("Mn", "Mc", "Me", "Cf", "Sk")
