"""Languages: the codes and English names of those that Whisper knows, and the other names that clients send."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = """
af Afrikaans, am Amharic, ar Arabic, as Assamese, az Azerbaijani, ba Bashkir, be Belarusian, bg Bulgarian,
bn Bengali, bo Tibetan, br Breton, bs Bosnian, ca Catalan, cs Czech, cy Welsh, da Danish, de German, el Greek,
en English, es Spanish, et Estonian, eu Basque, fa Persian, fi Finnish, fo Faroese, fr French, gl Galician,
gu Gujarati, ha Hausa, haw Hawaiian, he Hebrew, hi Hindi, hr Croatian, ht Haitian Creole, hu Hungarian,
hy Armenian, id Indonesian, is Icelandic, it Italian, ja Japanese, jw Javanese, ka Georgian, kk Kazakh, km Khmer,
kn Kannada, ko Korean, la Latin, lb Luxembourgish, ln Lingala, lo Lao, lt Lithuanian, lv Latvian, mg Malagasy,
mi Maori, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, ms Malay, mt Maltese, my Myanmar, ne Nepali,
nl Dutch, nn Nynorsk, no Norwegian, oc Occitan, pa Punjabi, pl Polish, ps Pashto, pt Portuguese, ro Romanian,
ru Russian, sa Sanskrit, sd Sindhi, si Sinhala, sk Slovak, sl Slovenian, sn Shona, so Somali, sq Albanian,
sr Serbian, su Sundanese, sv Swedish, sw Swahili, ta Tamil, te Telugu, tg Tajik, th Thai, tk Turkmen, tl Tagalog,
tr Turkish, tt Tatar, uk Ukrainian, ur Urdu, uz Uzbek, vi Vietnamese, yi Yiddish, yo Yoruba, yue Cantonese,
zh Chinese
"""

#: Whisper's own codes: `jw` for Javanese, `yue` since large-v3.
LANGUAGES: Mapping[str, str] = {
    code: name for code, _, name in (entry.strip().partition(" ") for entry in _NAMES.split(","))
}

#: Other names of these languages: codes of ISO 639-1, -2 and -3, codes that are out of use, and Whisper's own names.
_OTHER_NAMES = """
nb no, nob no, nno nn, iw he, jv jw, jav jw, cmn zh, zho zh, chi zh, hans zh, hant zh, mandarin zh, fil tl, tgl tl,
gsw de, in id, ji yi, mo ro, ron ro, rum ro, moldavian ro, moldovan ro, eng en, deu de, ger de, fra fr, fre fr,
spa es, castilian es, por pt, ita it, rus ru, jpn ja, kor ko, ara ar, arb ar, hin hi, nld nl, dut nl, flemish nl,
pol pl, tur tr, ukr uk, ces cs, cze cs, slk sk, slo sk, slv sl, hun hu, swe sv, dan da, nor no, fin fi, ell el,
gre el, heb he, vie vi, tha th, ind id, msa ms, may ms, zsm ms, cat ca, valencian ca, eus eu, baq eu, glg gl, hrv hr,
srp sr, bos bs, bul bg, mkd mk, mac mk, est et, lav lv, lit lt, isl is, ice is, cym cy, wel cy, fas fa, per fa,
farsi fa, pes fa, prs fa, urd ur, ben bn, tam ta, tel te, kan kn, mal ml, mar mr, guj gu, pan pa, panjabi pa, sin si,
sinhalese si, nep ne, mya my, bur my, burmese my, khm km, lao lo, kat ka, geo ka, hye hy, arm hy, aze az, kaz kk,
uzb uz, mon mn, amh am, swa sw, swh sw, som so, yor yo, hau ha, afr af, sqi sq, alb sq, bel be, mlt mt, lat la,
haitian ht, letzeburgesch lb, pushto ps, yid yi, tgk tg, tuk tk, tat tt, bak ba, oci oc, bre br, fao fo, mri mi,
mao mi, sna sn, sun su, asm as, bod bo, tib bo, snd sd, san sa, lin ln, mlg mg, ltz lb, hat ht, pus ps
"""

_CODES: Mapping[str, str] = {name.lower(): code for code, name in LANGUAGES.items()} | {
    name: code for name, _, code in (entry.strip().partition(" ") for entry in _OTHER_NAMES.split(","))
}

#: What clients send for a language that is to be found: the codes of ISO 639-2 for several and for unknown languages.
_TO_BE_FOUND = frozenset({"", "auto", "detect", "und", "mul", "none", "null"})


def language_code(given: str) -> str | None:
    """Return the code of a language, given by its code, its English name or a tag like `de-AT`; None if unknown."""
    wanted = given.strip().lower().replace("_", "-")
    for name in (wanted, wanted.partition("-")[0]):
        if name in LANGUAGES or name in _CODES:
            return name if name in LANGUAGES else _CODES[name]
    return None


def is_to_be_found(given: str) -> bool:
    """Tell whether a client asks that the language is found from the speech, as by `auto` or `und`."""
    return given.strip().lower() in _TO_BE_FOUND


def languages_in(given: object) -> object:
    """Return what a client gives as language in one form: a code, a sorted list of codes, or None to find it.

    One string may name several languages, separated by commas. A name that is not known stays as it is, so that the
    caller can refuse it; so does what is neither a string nor a list of strings.
    """
    named = given.split(",") if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else None
    if named is None or not all(isinstance(one, str) for one in named):
        return given
    if any(map(is_to_be_found, named)):
        return None
    codes = sorted({language_code(one) or one.strip() for one in named})
    return (codes[0] if len(codes) == 1 else codes) if codes else None


def language_name(code: str | None) -> str:
    """Return the English name of a language in small letters, as in Whisper; empty if there is no language."""
    return LANGUAGES.get(code or "", code or "").lower()
