"""The Celery application. Its settings are read when Celery first asks for one of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import click
from celery import Celery

from dictograph.celery.beats import end_if_orphaned, is_supervised
from dictograph.celery.configuration import configuration_of
from dictograph.celery.task import register
from dictograph.errors import DictographError
from dictograph.settings.handed import handed_settings
from dictograph.settings.loading import load
from dictograph.settings.model import Settings

_NO_REDIS = (
    "The queue is not on Redis, and a Celery worker has none to hear. Set DICTOGRAPH_QUEUE_URL, "
    "as in redis://HOST:6379/0"
)

#: The exit code of a wrong setting, as of `dictograph`.
_NOT_SET_UP = 3


class WrongSettings(click.ClickException):
    """The settings cannot be used. Celery's command line prints the message, and no traceback."""

    exit_code = _NOT_SET_UP


class DictographCelery(Celery):  # type: ignore[misc] # Celery ships no types
    """A Celery application with Dictograph's settings."""

    given: Settings | None = None

    @cached_property
    def settings(self) -> Settings:
        """Return the settings: those that were given, those of the parent process, or those of the environment.

        Raises:
            WrongSettings: there is a wrong one, or the queue is not on Redis.
        """
        try:
            settings = self.given or handed_settings() or load().settings
        except DictographError as error:
            raise WrongSettings(str(error)) from error
        if not settings.redis_url:
            raise WrongSettings(_NO_REDIS)
        return settings

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name for it
        """Return the class of `celery worker`: a process that keeps the real worker and the host running."""
        end_if_orphaned()
        inner = "dictograph.celery.worker:Worker"
        return self.subclass_with_self(inner if is_supervised() else "dictograph.celery.front:Front")


def make_app(settings: Settings | None = None) -> DictographCelery:
    """Return an application. Without settings they are read when they are first needed."""
    made = DictographCelery("dictograph", set_as_current=settings is None)
    made.given = settings
    made.add_defaults(lambda: configuration_of(made.settings))
    register(made)
    return made


app = make_app()
