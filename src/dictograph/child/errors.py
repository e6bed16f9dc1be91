"""What a child can do wrong, and in what words it is said."""

from __future__ import annotations

import signal


class ChildFailure(Exception):
    """Base of what a child can do wrong. `detail` says it in words."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ChildCrashed(ChildFailure):
    """The process ended, or broke the protocol, in the middle of a request.

    `returncode` is that with which it ended: below 0 by a signal, None when it had not ended.
    """

    def __init__(self, detail: str, returncode: int | None = None) -> None:
        super().__init__(detail)
        self.returncode = returncode


class ChildLost(ChildCrashed):
    """The process went with the server that had made it: nothing that it was asked to do is to blame."""


class ChildTimeout(ChildFailure):
    """The process did not answer in time and was ended."""


class ChildOutOfMemory(ChildFailure):
    """The process outgrew its resident memory and was ended, or said that it ran out."""


class ChildFailed(ChildFailure):
    """The process answered with an error, and lives on. `code` is the error's own."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


#: What it says of its own error is told to people: so many characters of it.
_LONGEST = 2000


def failure(name: str, error: object) -> ChildFailure:
    """What the process `name` said that went wrong. It may have been taken over, and say anything."""
    if not isinstance(error, dict):
        return ChildCrashed(f"the {name} process broke the protocol: its error cannot be understood")
    code, message = str(error.get("code", "failed")), str(error.get("message", ""))[:_LONGEST]
    if code == "out_of_memory":
        return ChildOutOfMemory(f"the {name} process: {message}")
    return ChildFailed(code, message)


def how_it_ended(code: int | None) -> str:
    """A return code in words."""
    if code is not None and code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return f"ended with exit code {code}"
