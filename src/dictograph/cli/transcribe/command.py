"""`dictograph transcribe`: text from files, URLs or standard input, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from dictograph.cli.options import effective, option
from dictograph.cli.transcribe.options import FormatList, subtitle_options, transcription_options
from dictograph.cli.transcribe.run import NOT_SET_UP_CODES, transcribe_all
from dictograph.cli.transcribe.sources import expanded
from dictograph.cli.transcribe.targets import Target, targets
from dictograph.cli.transcribe.writing import Writing
from dictograph.formats.subtitle_rules import AskedRules, read_rules
from dictograph.runtime import logs
from dictograph.service.request import check_options

#: A person waits, so a failed job is tried again at once.
_IMPATIENT = {"retry_base": 0.2, "retry_max": 1.0, "poll_interval": 0.2}


@click.command()
@click.argument("sources", metavar="FILE|URL|-...", nargs=-1, required=True)
@click.option(
    *("-f", "--format", "formats"),
    type=FormatList(),
    default="txt",
    show_default=True,
    help="How the transcript is written; several are separated by commas.",
)
@click.option(
    *("-o", "--output"), metavar="PATH", help="A file; a folder for several files, or ending with `/`; else stdout."
)
@click.option("--skip-existing", is_flag=True, help="Leave out sources whose files in --output are there already.")
@option("engine", "model", "device")
@transcription_options
@subtitle_options
@click.option("-v", "--verbose", is_flag=True, help="Log what is done.")
def transcribe(
    sources: tuple[str, ...],
    formats: Sequence[str],
    output: str | None,
    skip_existing: bool,
    engine: str | None,
    model: str | None,
    device: str | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Turn files, URLs or stdin into text.

    No server is needed, and none is left running. Any audio or video file will do, a folder of them, or a pattern;
    several are transcribed side by side, sharing one engine. The text goes to stdout, progress and warnings to stderr.
    With --output each file is written when its transcript is complete: an interrupted run loses none, and
    --skip-existing goes on from there.

    \b
    dictograph transcribe talk.mp3
    dictograph transcribe talk.mp4 --format srt --output talk.srt
    dictograph transcribe *.m4a --format vtt,txt --output subtitles/
    dictograph transcribe recordings/ --format srt --output subtitles/ --skip-existing
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
    wanted = _left(targets(expanded(sources), formats, output), skip_existing)
    logs.configure("info" if verbose else "critical", settings.log_format)
    failed = asyncio.run(transcribe_all(settings, checked, wanted, Writing(formats, rules)))
    if failed:
        raise click.exceptions.Exit(3 if failed & NOT_SET_UP_CODES else 1)


def _left(wanted: Sequence[Target], skip_existing: bool) -> list[Target]:
    """Return the targets that are to be made, and say which are not."""
    there = [target for target in wanted if skip_existing and target.exists]
    for target in there:
        click.echo(f"{target.name}: its files are there, skipped", err=True)
    return [target for target in wanted if target not in there]
