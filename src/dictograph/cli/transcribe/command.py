"""`dictograph transcribe`: text from files, URLs or standard input, without a server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from dictograph.cli.options import effective, option
from dictograph.cli.transcribe.options import subtitle_options, transcription_options
from dictograph.cli.transcribe.run import NOT_SET_UP_CODES, Writing, transcribe_all
from dictograph.cli.transcribe.targets import targets
from dictograph.formats import FORMATS
from dictograph.formats.subtitle_rules import AskedRules, read_rules
from dictograph.runtime import logs
from dictograph.service.request import check_options

#: A person waits, so a failed job is tried again at once.
_IMPATIENT = {"retry_base": 0.2, "retry_max": 1.0, "poll_interval": 0.2}


@click.command()
@click.argument("sources", metavar="FILE|URL|-...", nargs=-1, required=True)
@click.option(
    *("-f", "--format", "format"),
    type=click.Choice(list(FORMATS)),
    default="txt",
    show_default=True,
    help="How the transcript is written.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file, or a folder for several; else stdout.")
@option("engine", "model", "device")
@transcription_options
@subtitle_options
@click.option("-v", "--verbose", is_flag=True, help="Log what is done.")
def transcribe(
    sources: tuple[str, ...],
    format: str,
    output: Path | None,
    engine: str | None,
    model: str | None,
    device: str | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Turn files, URLs or stdin into text.

    No server is needed, and none is left running. Any audio or video file will do; several are transcribed side by
    side, sharing one engine. The text goes to stdout, progress and warnings to stderr.

    \b
    dictograph transcribe talk.mp3
    dictograph transcribe talk.mp4 --format srt --output talk.srt
    dictograph transcribe *.m4a --format vtt --output subtitles/
    dictograph transcribe https://example.org/episode.mp3 --model large-v3-turbo
    ffmpeg -i rtsp://camera -t 60 -f wav - | dictograph transcribe - --engine sphinx

    Without --engine it is Whisper, whose weights are fetched the first time; `--engine sphinx` needs no weights, and
    knows only English.

    \b
    Exit codes: 0 all done, 1 some failed, 2 wrong command line, 3 wrong settings or no model, 130 interrupted.
    """
    given = {name: value for name, value in options.items() if value is not None}
    rules = read_rules({name: given.pop(name) for name in AskedRules.model_fields if name in given})
    checked = check_options(given, strict=False)
    settings = effective(engine=engine, model=model, device=device, **_IMPATIENT)
    wanted = targets(sources, format, output)
    logs.configure("info" if verbose else "critical", settings.log_format)
    failed = asyncio.run(transcribe_all(settings, checked, wanted, Writing(format, rules)))
    if failed:
        raise click.exceptions.Exit(3 if failed & NOT_SET_UP_CODES else 1)
