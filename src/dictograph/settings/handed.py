"""Settings that a process hands to its child, in the environment: the command line may have changed them."""

from __future__ import annotations

import json
import os

from dictograph.settings.model import Settings

_VARIABLE = "_DICTOGRAPH_HANDED_SETTINGS"


def handing(settings: Settings) -> dict[str, str]:
    """Return the variable with which a child gets these settings."""
    return {_VARIABLE: settings.model_dump_json(exclude_defaults=True)}


def handed_settings() -> Settings | None:
    """Return the settings that the parent handed to this process; None if it handed none."""
    text = os.environ.get(_VARIABLE)
    return Settings.model_validate(json.loads(text)) if text else None
