"""Abbreviations: words with a full stop that ends no sentence."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that stand before a name or a number, in the languages that subtitles are mostly made for.
_BEFORE_OTHERS = _words(
    # English, German
    "mr mrs ms dr prof st sr jr rev capt lt sgt gov sen messrs mt ft nos pp vs cf approx blvd dept "
    "hr hrn frl fr nr str bzw ggf evtl abs kap hrsg vgl ca inkl exkl sog dipl ing jur tel "
    # French, Spanish, Portuguese, Italian
    "mme mmes mlle mlles mgr ste bd env sra srta sres dra ud uds lic núm pág avda gral exmo "
    "sig sigg sig.ra sig.na dott dott.ssa avv geom egr pag "
    # Dutch, Russian
    "dhr mevr mw drs bijv гг ул кв стр тов проф акад рис см обл"
)

#: Words that may also end a sentence: they belong to what follows only if that goes on in small letters.
_ALSO_AT_THE_END = _words("etc usw usf ecc inc ltd corp co al jan feb aug sept oct nov dec др пр")

#: Words that are also others: they are abbreviations before a number.
_BEFORE_NUMBERS = _words("no art fig vol")

_INITIALS = re.compile(r"(?:[^\W\d_]\.[-‐]?)+")
_AROUND = "\"'“”‘’«»‹›„‚([{)]}"


def belongs_to_next(word: str, following: str) -> bool:
    """Tell whether a word is an abbreviation or an initial that `following` belongs to: nothing may part them."""
    bare = word.strip().lstrip(_AROUND)
    if not bare.endswith(".") or bare.endswith(".."):
        return False
    if _INITIALS.fullmatch(bare):
        return True
    known, sign = bare[:-1].lower(), following.lstrip().lstrip(_AROUND)[:1]
    if known in _BEFORE_NUMBERS:
        return sign.isdigit()
    return known in _BEFORE_OTHERS or (known in _ALSO_AT_THE_END and sign.islower())
