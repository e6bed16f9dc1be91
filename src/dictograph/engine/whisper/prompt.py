"""Make the tokens before Whisper's answer: previous text (prompt, hotwords), language, task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: Tokens that fit between <|startofprev|> and <|startoftranscript|>. An answer may take half of the decoder's 448
#: positions (openai/whisper, `decoding.py`), and should have all of these whatever the prompt: its own four tokens
#: and <|startofprev|> leave this much, for the last of them takes no position of the prompt's in CTranslate2.
ROOM = 220


def previous_text(encode: Callable[[str], Sequence[int]], prompt: str | None, hotwords: str | None) -> list[int]:
    """Return the tokens of hotwords and prompt, at most ROOM.

    The end of a long prompt counts most, since it is nearest to the speech, so its beginning is cut off.
    Hotwords are cut at their end, and to half of ROOM where there is a prompt too.
    """
    expected = _encoded(encode, hotwords)
    before = _encoded(encode, prompt)
    expected = expected[: ROOM if not before else max(ROOM // 2, ROOM - len(before))]
    kept = ROOM - len(expected)
    return expected + before[max(0, len(before) - kept) :]


def _encoded(encode: Callable[[str], Sequence[int]], text: str | None) -> list[int]:
    return list(encode(" " + text.strip())) if text and text.strip() else []
