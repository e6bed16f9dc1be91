"""Compare a job's options with what the engine can do: refuse or warn by name, never change anything silently."""

from __future__ import annotations

from dictograph.engine.protocol import Capabilities, EngineSpec
from dictograph.errors import UnsupportedByEngine
from dictograph.job import Options
from dictograph.transcript import JobWarning


def refuse_unable(options: Options, capabilities: Capabilities, engine: EngineSpec) -> None:
    """Raise UnsupportedByEngine for a task or language that the engine cannot do."""
    name = f"engine {engine.name}" + (f" with model {engine.model}" if engine.model else "")
    if options.task not in capabilities.tasks:
        raise UnsupportedByEngine(f"The {name} cannot do the task {options.task!r}.")
    for language in options.candidates:
        if language not in capabilities.languages:
            raise UnsupportedByEngine(f"The {name} does not know the language {language!r}.")
    if len(options.candidates) != 1 and not capabilities.detects_language and len(capabilities.languages) != 1:
        known = ", ".join(sorted(capabilities.languages))
        raise UnsupportedByEngine(f"The {name} cannot tell languages apart: name the language of the speech ({known}).")


def ignored_options(options: Options, capabilities: Capabilities, engine: str) -> list[JobWarning]:
    """Return a warning for each option that the client set and the engine does not use."""
    unable = frozenset() if capabilities.multilingual else frozenset({"multilingual"})
    return [
        JobWarning("option_ignored", f"The engine {engine} makes no use of the option {name}.")
        for name in sorted(capabilities.ignored | unable)
        if getattr(options, name) != Options.model_fields[name].default
    ]
