"""A format, or an option, is added in one place and is then everywhere: a new one is put into the list, in a process of
its own, and looked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from dictograph.api.openai.fields import FIELD_OF
from dictograph.engine.protocol import WindowOptions
from dictograph.job import Options

ROOT = Path(__file__).parents[2]

#: Puts the format `fake` into the list before anything else is imported.
NEW_FORMAT = """
    from dictograph import formats

    def fake(head, segments):
        yield from (segment.text.upper() for segment in segments)

    formats.FORMATS["fake"] = formats.Format("fake", "application/x-fake", ".fk", "in capitals", fake)
"""

#: Gives the model of options one more.
NEW_OPTION = """
    from pydantic import Field
    from dictograph import job

    class Options(job.Options):
        fake_level: int = Field(3, ge=1, le=9, description="How fake it is.")

    job.Options = Options
"""

#: The document that an application gives of itself.
DOCUMENT = """
    from dictograph.api.app import create_app
    from dictograph.service.services import Services
    from dictograph.settings.model import Settings

    services = Services(*[None] * len(Services.__dataclass_fields__))
    paths = create_app(services, Settings()).openapi()["paths"]
"""

#: Where a format has to be, in words, and what shows that it is there.
FORMAT_IS_IN: Mapping[str, str] = {
    "`dictograph transcribe --format`": """
        from dictograph.cli.transcribe.command import transcribe
        transcribe.make_context("transcribe", ["a.wav", "--format", "fake"])
    """,
    "the name of a file in the folder of --output": """
        from pathlib import Path
        from dictograph.cli.transcribe.targets import targets
        assert targets(["a.wav", "b.wav"], ["fake"], "out")[0].files["fake"] == Path("out/a.fk")
    """,
    "`?format=` of the API": """
        from dictograph.api.native.negotiate import choose_format
        assert choose_format("fake", None).suffix == ".fk"
    """,
    "what `Accept` can ask for": """
        from dictograph.api.native.negotiate import choose_format
        assert choose_format(None, "application/x-fake").name == "fake"
    """,
    "the parameter `format` of the OpenAPI document": """
        parameters = paths["/v1/transcriptions/{job_id}/transcript"]["get"]["parameters"]
        [parameter] = [one for one in parameters if one["name"] == "format"]
        assert "'fake'" in str(parameter)
    """,
    "the answers of the OpenAPI document": """
        answers = paths["/v1/transcriptions/{job_id}/transcript"]["get"]["responses"]
        assert "application/x-fake" in answers["200"]["content"]
    """,
    "what is rendered": """
        from dictograph.transcript import Segment
        assert "".join(formats.render("fake", None, [Segment(0, 1, "one")])) == "ONE"
    """,
    "the table of docs/reference/formats.md": """
        from scripts.reference_tables import formats as rows
        assert "| `fake` | `application/x-fake` | `.fk` | in capitals |" in rows()
    """,
    "docs/reference/http.md": """
        from scripts.reference_tables import filled
        assert "`fake`" in filled("<!-- format names --><!-- end -->")
    """,
    "docs/reference/cli.md": """
        from scripts.reference_tables import transcribe_options
        assert "`fake`" in "".join(transcribe_options())
    """,
}

#: Where an option has to be.
OPTION_IS_IN: Mapping[str, str] = {
    "the command line": """
        from dictograph.cli.transcribe.command import transcribe
        assert transcribe.make_context("transcribe", ["a.wav", "--fake-level", "5"]).params["fake_level"] == 5
    """,
    "the fields of a form, and the options of other contracts": """
        from dictograph.service.request import check_options
        assert check_options({"fake_level": "5"}, strict=False).fake_level == 5
    """,
    "a JSON body, and `dictograph.transcribe`": """
        from dictograph.service.request import check_options
        assert check_options({"fake_level": 5}, strict=True).fake_level == 5
    """,
    "both bodies of the OpenAPI document": """
        bodies = paths["/v1/transcriptions"]["post"]["requestBody"]["content"]
        for body in (bodies["multipart/form-data"]["schema"], *bodies["application/json"]["schema"]["oneOf"]):
            assert body["properties"]["fake_level"]["description"] == "How fake it is."
    """,
    "the backend's `transcribe`, beside its own fields": """
        from dictograph.api.backend.jobs import TranscribeBody, _options
        assert _options(TranscribeBody(filename="a", url="b", fake_level=5))["fake_level"] == 5
    """,
    "what is stored with a job": """
        from dictograph.service.request import check_options
        assert check_options({"fake_level": 5}, strict=True).normalised()["fake_level"] == 5
    """,
    "the table of docs/reference/http.md": """
        from scripts.reference_tables import options
        assert "| `fake_level` | `3` | 1 to 9: how fake it is |" in options()
    """,
    "the table of docs/reference/cli.md": """
        from scripts.reference_tables import transcribe_options
        assert "| `--fake-level` | how fake it is (1 to 9) |" in transcribe_options()
    """,
}

#: Says of each place whether the new one is there.
LOOK = """
    for place, look in places.items():
        try:
            exec(look)
        except BaseException as error:
            print(f"{place} ({type(error).__name__}: {error})", flush=True)
"""


def missing(new: str, places: Mapping[str, str]) -> list[str]:
    """The places where the new one is not, and what was said there."""
    looks = {place: dedent(look) for place, look in places.items()}
    script = "\n".join([dedent(new), dedent(DOCUMENT), f"places = {looks!r}", dedent(LOOK)])
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def test_a_format_that_is_added_to_the_list_is_everywhere() -> None:
    places = missing(NEW_FORMAT, FORMAT_IS_IN)
    assert not places, "A new format is missing in:\n" + "\n".join(places)


def test_an_option_that_is_added_to_the_model_is_everywhere() -> None:
    places = missing(NEW_OPTION, OPTION_IS_IN)
    assert not places, "A new option is missing in:\n" + "\n".join(places)


@pytest.mark.parametrize(("new", "places"), [("from dictograph import formats", FORMAT_IS_IN), ("", OPTION_IS_IN)])
def test_every_place_that_lacks_it_is_named(new: str, places: Mapping[str, str]) -> None:
    named = missing(new, places)
    assert [place for place, line in zip(places, named, strict=True) if not line.startswith(place)] == []


@pytest.mark.parametrize("name", WindowOptions.__dataclass_fields__)
def test_what_an_engine_is_told_is_an_option_of_the_job(name: str) -> None:
    assert name in Options.model_fields, f"engines are told {name!r}, which is no option of a job"


@pytest.mark.parametrize("name", FIELD_OF)
def test_a_field_of_another_api_gives_an_option_that_there_is(name: str) -> None:
    assert name in Options.model_fields, f"a field of OpenAI's API gives {name!r}, which is no option of a job"
