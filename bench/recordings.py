"""Recorded people with their words, as Debian ships them: prompts of telephone systems, readings, hold music.

`scripts/recordings` unpacks the packages into `.recordings` (or the folder that RECORDINGS names); nothing of them is
part of the project.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The languages of the prompts, and the folder of the voice of each.
VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}

#: Notes in brackets and digits are not what is heard.
_NOT_SPOKEN = re.compile(r"[\[\](){}<>*\d]")
_SINGLE_WORDS = ("digits/", "letters/", "phonetic/")
_SHORTEST_WORD = 3  # letters: "g" and "gee" are the same sound
_READ = re.compile(r"(?:<s> )?(.*?)(?: </s>)? \((.*)\)")


def folder() -> Path:
    """Return the folder that the packages are unpacked into."""
    return Path(os.environ.get("RECORDINGS") or Path(__file__).resolve().parents[1] / ".recordings").absolute()


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file, and the words in it."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Recordings:
    """The packages, unpacked below `root`."""

    root: Path

    @property
    def complete(self) -> bool:
        """Return whether every package is there."""
        listed = all(self._list(language).is_file() for language in VOICES)
        return listed and (self._librivox / "transcription").is_file() and bool(self.music())

    def prompt(self, language: str, name: str) -> Path:
        """Return the file of one prompt, such as "digits/5" or "demo-congrats": 8 kHz, mono."""
        return self.root / "usr/share/asterisk/sounds" / VOICES[language] / f"{name}.wav"

    def prompts(self, language: str) -> list[Recording]:
        """Return the prompts of at least three words whose text is what is heard."""
        return [one for _, one in self._spoken(language) if len(one.text.split()) >= 3]

    def single_words(self, language: str) -> list[Recording]:
        """Return the prompts of one word: numbers, days, months, signs, the names for spelling."""
        return [
            one
            for name, one in self._spoken(language)
            if name.startswith(_SINGLE_WORDS) and one.text.isalpha() and len(one.text) >= _SHORTEST_WORD
        ]

    def librivox(self) -> list[Recording]:
        """Return sentences of "Sense and Sensibility", read for LibriVox: English, 16 kHz, mono."""
        matches = filter(None, map(_READ.match, (self._librivox / "transcription").read_text().splitlines()))
        texts = {match[2]: match[1].lower() for match in matches}
        return [Recording(p, texts[p.stem]) for p in sorted(self._librivox.glob("*.wav")) if p.stem in texts]

    def music(self) -> list[Path]:
        """Return the pieces of hold music, of some minutes each: 8 kHz, mono."""
        return sorted((self.root / "usr/share/asterisk/moh").glob("*.wav"))

    @property
    def _librivox(self) -> Path:
        return self.root / "usr/share/pocketsphinx/test/data/librivox"

    def _list(self, language: str) -> Path:
        return self.root / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"

    def _spoken(self, language: str) -> Iterator[tuple[str, Recording]]:
        with gzip.open(self._list(language), "rt", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, colon, text = line.partition(":")
                text = text.strip().strip('“”"')
                path = self.prompt(language, name.strip())
                if colon and not line.startswith(";") and not _NOT_SPOKEN.search(text) and path.is_file():
                    yield name.strip(), Recording(path, text)
