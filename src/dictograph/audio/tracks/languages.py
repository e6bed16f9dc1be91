"""Compare the language of a track, as its container writes it, with the one that is wanted.

MP4 and Matroska write the three letters of ISO 639-2, of which some languages have two; others write two letters, or a
tag like `de-AT`.
"""

from __future__ import annotations

from typing import Final

_CODES: Final = """
af afr|am amh|ar ara|as asm|az aze|ba bak|be bel|bg bul|bn ben|bo bod tib|br bre|bs bos|ca cat|cs ces cze|cy cym wel|
da dan|de deu ger|el ell gre|en eng|es spa|et est|eu eus baq|fa fas per|fi fin|fo fao|fr fra fre|gl glg|gu guj|ha hau|
he heb iw|hi hin|hr hrv|ht hat|hu hun|hy hye arm|id ind in|is isl ice|it ita|ja jpn|jw jav jv|ka kat geo|kk kaz|km khm|
kn kan|ko kor|la lat|lb ltz|ln lin|lo lao|lt lit|lv lav|mg mlg|mi mri mao|mk mkd mac|ml mal|mn mon|mr mar|ms msa may|
mt mlt|my mya bur|ne nep|nl nld dut|nn nno|no nor nb nob|oc oci|pa pan|pl pol|ps pus|pt por|ro ron rum|ru rus|sa san|
sd snd|si sin|sk slk slo|sl slv|sn sna|so som|sq sqi alb|sr srp|su sun|sv swe|sw swa|ta tam|te tel|tg tgk|th tha|
tk tuk|tl tgl fil|tr tur|tt tat|uk ukr|ur urd|uz uzb|vi vie|yi yid|yo yor|zh zho chi cmn
"""

_SAME: Final = {
    code: names[0] for entry in _CODES.replace("\n", "").split("|") for names in [entry.split()] for code in names
}


def is_language(given: str, wanted: str) -> bool:
    """Return whether a container's name of a language means the wanted code."""
    return bool(given) and _same(given) == _same(wanted)


def _same(name: str) -> str:
    primary = name.strip().lower().replace("_", "-").partition("-")[0]
    return _SAME.get(primary, primary)
