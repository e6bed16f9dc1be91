"""The English names of the languages that Whisper knows, by code."""

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

_CODES: Mapping[str, str] = {name.lower(): code for code, name in LANGUAGES.items()}


def language_code(given: str) -> str | None:
    """Return the code of a language, given by its code, its English name or a tag like `de-AT`; None if unknown."""
    wanted = given.strip().lower().replace("_", "-")
    primary = wanted.partition("-")[0]
    return wanted if wanted in LANGUAGES else _CODES.get(wanted, primary if primary in LANGUAGES else None)


def language_name(code: str | None) -> str:
    """Return the English name of a language in small letters, as in Whisper; empty if there is no language."""
    return LANGUAGES.get(code or "", code or "").lower()
