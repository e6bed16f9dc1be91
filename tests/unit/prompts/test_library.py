"""Templates: those that ship, and those of the operator over them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.errors import SettingsError
from dictograph.prompts.library import Library
from dictograph.prompts.template import Template

NAMES = {"summary_tasks_and_todos", "presentation_structure", "journalistic_summary"}


def written(root: Path, **files: str) -> Path:
    """`en__name="text"` is the file en/name.md."""
    for name, text in files.items():
        file = root.joinpath(*name.split("__")).with_suffix(".md")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(("language", "sign"), [("de", "Schreibe auf Deutsch"), ("en", "Write in English")])
def test_three_prompts_ship_in_two_languages(language: str, sign: str) -> None:
    prompts = Library.load().write(language, "eins zwei", 2)
    assert prompts.keys() == NAMES
    assert all(sign in prompt and prompt.endswith("```\neins zwei\n```") for prompt in prompts.values())


@pytest.mark.parametrize("language", ["fr", None, "", "../en"])
def test_other_languages_get_english(language: str | None) -> None:
    library = Library.load()
    assert library.choose(language) == "en"
    assert library.write(language, "x", 1) == library.write("en", "x", 1)


def test_a_report_has_a_fifth_of_the_words() -> None:
    assert "fewer than 201 words" in Library.load().write("en", "…", 1001)["journalistic_summary"]


def test_own_templates_replace_and_extend(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        en__journalistic_summary="In short, of {words} words: {transcript}",
        en__agenda="An agenda. {transcript}",
        fr__journalistic_summary="Résume : {transcript}",
    )
    library = Library.load(root)
    assert library.languages == ["de", "en", "fr"]
    english, french, german = (library.write(language, "abc", 7) for language in ("en", "fr", "de"))
    assert english["journalistic_summary"] == "In short, of 7 words: ```\nabc\n```"
    assert english.keys() == NAMES | {"agenda"}
    assert french["journalistic_summary"].startswith("Résume")
    assert french["agenda"] == english["agenda"]  # what a language lacks comes from English
    assert "Schreibe auf Deutsch" in german["journalistic_summary"]


@given(st.text("`a \n{}wordstranscript", max_size=40))
def test_a_transcript_cannot_get_out_of_its_backticks(text: str) -> None:
    filled = Template("Before.\n\n{transcript}\n\nAfter {words}.").fill(text, 3)
    assert filled.count("```") == 2
    before, inside, after = filled.split("```")
    assert (before, after) == ("Before.\n\n", "\n\nAfter 3.")
    assert inside.replace("'", "`") == f"\n{text}\n".replace("'", "`")


def test_braces_that_are_no_place_stay() -> None:
    assert Template('{"a": {x1}} { words } {transcript}').fill("t", 1) == '{"a": {x1}} { words } ```\nt\n```'


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"en__a": "No place for it."}, "has no {transcript}"),
        ({"en__a": "{transcript} {lenght}"}, "no {lenght}"),
        ({"en__a": "{transcript}" + "x" * 20_000}, "larger than"),
        ({"en__Bad name": "{transcript}"}, "small letters"),
        ({"english__a": "{transcript}"}, "language's code"),
        ({"loose": "{transcript}"}, "language's code"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, files: dict[str, str], why: str) -> None:
    written(tmp_path, **files)
    with pytest.raises(SettingsError, match="DICTOGRAPH_PROMPTS_DIR") as caught:
        Library.load(tmp_path)
    assert why in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_other_faults_are_named_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        Library.load(tmp_path / "nowhere")
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "a.md").write_bytes(b"\xff\xfe{transcript}")
    with pytest.raises(SettingsError, match="not UTF-8"):
        Library.load(tmp_path)
    (tmp_path / "en" / "a.md").unlink()
    (tmp_path / "en" / "a.doc").write_text("{transcript}")
    with pytest.raises(SettingsError, match=r"NAME\.md"):
        Library.load(tmp_path)


def test_notes_beside_the_templates_do_no_harm(tmp_path: Path) -> None:
    written(tmp_path, README="How we write them.", en__README="…")
    (tmp_path / ".git").mkdir()
    assert Library.load(tmp_path).languages == ["de", "en"]


def test_there_are_not_too_many(tmp_path: Path) -> None:
    written(tmp_path, **{f"fr__a{number}": "{transcript}" for number in range(33)})
    with pytest.raises(SettingsError, match="more than 32"):
        Library.load(tmp_path)
