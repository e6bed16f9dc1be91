"""Calls that may block for ever, such as reading a pipe, in a thread that nothing has to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(function: Callable[..., T], *arguments: object) -> T:
    """Return the function's result, or raise its error.

    The thread ends with the process, whatever the function does. One of `asyncio.to_thread` would keep the event
    loop, and then the process, from ending until the function returns.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            outcome.set_exception(error)

    outcome.set_running_or_notify_cancel()
    Thread(target=run, daemon=True, name="dictograph-blocking").start()
    return await asyncio.wrap_future(outcome)
