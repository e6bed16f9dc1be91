"""`dictograph`: its commands, and how an error ends one of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from dictograph import __version__
from dictograph.cli.config_file import remember_config
from dictograph.cli.lazy import Entry, LazyGroup
from dictograph.errors import DictographError, ModelUnavailable, RequestError, SettingsError

#: The exit codes, for scripts.
OK, FAILED, USAGE, NOT_SET_UP, INTERRUPTED = 0, 1, 2, 3, 130

_HERE = "Without a server"
_SERVER = "Servers"
_JOBS = "Jobs of a server"
_UPKEEP = "Upkeep"


class _Commands(LazyGroup):
    entries = {
        "transcribe": Entry(
            "dictograph.cli.transcribe.command:transcribe", "Turn files, URLs or stdin into text.", _HERE
        ),
        "serve": Entry("dictograph.cli.serve:serve", "Run the service: HTTP API and worker in one process.", _SERVER),
        "api": Entry("dictograph.cli.serve:api", "Run only the HTTP API, without a worker.", _SERVER),
        "worker": Entry("dictograph.cli.serve:worker", "Run only a worker, without the HTTP API.", _SERVER),
        "jobs": Entry("dictograph.cli.jobs:jobs", "List, show, watch, cancel, retry, delete jobs.", _JOBS),
        "dead": Entry("dictograph.cli.dead:dead", "List, show, replay jobs that have failed too often.", _JOBS),
        "workers": Entry("dictograph.cli.workers:workers", "Show the workers that run, and their jobs.", _JOBS),
        "webhooks": Entry(
            "dictograph.cli.webhooks:webhooks", "List, resend, test webhooks; show their secrets.", _UPKEEP
        ),
        "keys": Entry("dictograph.cli.keys:keys", "Create, list, revoke, rotate keys.", _UPKEEP),
        "doctor": Entry("dictograph.cli.doctor.command:doctor", "Check everything, and say what to do.", _UPKEEP),
        "settings": Entry("dictograph.cli.settings:settings", "Show the effective settings.", _UPKEEP),
        "models": Entry("dictograph.cli.models:models", "List, pull, verify speech models.", _UPKEEP),
        "backup": Entry("dictograph.cli.backup:backup", "Save the database and the audio.", _UPKEEP),
        "restore": Entry("dictograph.cli.backup:restore", "Restore a backup.", _UPKEEP),
        "storage": Entry("dictograph.cli.storage:storage", "Show or adopt the stored audio.", _UPKEEP),
        "topics": Entry("dictograph.cli.topics:topics", "Create, list, delete, test Kafka topics.", _UPKEEP),
        "kafka": Entry("dictograph.cli.kafka:kafka", "Publish a test job to Kafka, print results.", _UPKEEP),
        "db": Entry("dictograph.cli.db:db", "Bring the database up to date.", _UPKEEP),
    }


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Exit codes:
  0    done
  1    something failed (a file, a job, a check)
  2    the command line is wrong
  3    a setting is wrong, or the model is not available
  130  interrupted

`dictograph COMMAND --help` says more about each command. Settings come from the command line, the file that
--config names, DICTOGRAPH_* variables, .env, and dictograph.toml; the first of them that has a value wins.
`dictograph settings --explain` shows where each value comes from.
""",
)
@click.version_option(__version__, prog_name="dictograph")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=remember_config,
    expose_value=False,
    help="Read settings from this file: NAME=VALUE lines, as in the service's settings file, or TOML.",
)
def cli() -> None:
    """Dictograph turns audio into text and loses nothing on the way.

    \b
    Turn a file into text now, without a server:
      dictograph transcribe interview.mp3
    \b
    Run a service on http://127.0.0.1:8000 that keeps its jobs across restarts:
      dictograph serve
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line (that of the process, if none is given) and exit with its code."""
    try:
        code = cli.main(args=arguments, prog_name="dictograph", standalone_mode=False)
    except click.exceptions.Exit as exit:
        code = exit.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("dictograph: interrupted", err=True)
        code = INTERRUPTED
    except DictographError as error:
        complain(error)
        code = exit_code(error)
    sys.exit(code if isinstance(code, int) else OK)


def complain(error: DictographError, about: str = "") -> None:
    """Print one line to stderr: what was wrong, and what to do."""
    click.echo(f"dictograph: {f'{about}: ' if about else ''}{error}", err=True)


def exit_code(error: DictographError) -> int:
    """Return the exit code of this kind of error."""
    match error:
        case SettingsError() | ModelUnavailable():
            return NOT_SET_UP
        case RequestError(code="invalid_option" | "invalid_request" | "model_not_allowed"):
            return USAGE
        case _:
            return FAILED
