"""Errors of child processes, and the words that describe them."""

from __future__ import annotations

import signal


class ChildFailure(Exception):
    """Base class of the errors of a child. `detail` describes the error in words."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ChildCrashed(ChildFailure):
    """The process ended or broke the protocol during a request.

    `returncode` is the process's return code: below 0 after a signal, None when the process had not ended.
    """

    def __init__(self, detail: str, returncode: int | None = None) -> None:
        super().__init__(detail)
        self.returncode = returncode


class ChildLost(ChildCrashed):
    """The process ended together with the fork server that had made it. The request was not the cause."""


class ChildTimeout(ChildFailure):
    """The process did not answer in time and was killed."""


class ChildOutOfMemory(ChildFailure):
    """The process exceeded its limit of resident memory and was killed, or reported that it ran out of memory."""


class ChildFailed(ChildFailure):
    """The process answered with an error and still runs. `code` is the code of that error."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


#: The number of characters of a child's own error message that are shown to people.
_LONGEST = 2000


def failure(name: str, error: object) -> ChildFailure:
    """Return the error that the process `name` reported. A process that was taken over may report anything."""
    if not isinstance(error, dict):
        return ChildCrashed(f"the {name} process broke the protocol: its error cannot be understood")
    code, message = str(error.get("code", "failed")), str(error.get("message", ""))[:_LONGEST]
    if code == "out_of_memory":
        return ChildOutOfMemory(f"the {name} process: {message}")
    return ChildFailed(code, message)


def how_it_ended(code: int | None) -> str:
    """Return a return code in words."""
    if code is not None and code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return f"ended with exit code {code}"
