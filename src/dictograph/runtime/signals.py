"""The signals that ask a process to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: How long after the first signal Ctrl-C has an effect again (s). Programs such as `timeout` send each signal twice.
_AGAIN_S = 1.0


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask this process to end.

    SIGTERM is always one. SIGINT and SIGHUP are, unless they were ignored at the start of the process: `&` in a script
    makes it ignore SIGINT, and `nohup` SIGHUP. A signal that is ignored at the start must stay ignored.
    """
    asked = (number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN)
    return (signal.SIGTERM, *asked)


@asynccontextmanager
async def interrupted_by_signals() -> AsyncIterator[None]:
    """Cancel this task at the first signal that asks the process to end; then raise KeyboardInterrupt.

    Later signals are ignored, so that they do not disturb the cleanup. Only Ctrl-C ends it, after a second.
    """
    loop, task, got = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    numbers = stop_signals()

    def stop() -> None:
        assert task is not None
        if not got.is_set():
            got.set()
            task.cancel()
            if signal.SIGINT in numbers:
                loop.call_later(_AGAIN_S, loop.remove_signal_handler, signal.SIGINT)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if got.is_set():
            raise KeyboardInterrupt from None
        raise
