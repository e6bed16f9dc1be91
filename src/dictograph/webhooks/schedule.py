"""When what could not be delivered is sent again: ten attempts over three days."""

from __future__ import annotations

import random

_MINUTE, _HOUR = 60.0, 3600.0

#: The waits after the first attempt and those that follow, in seconds: the specification's example, but for the last,
#: which is shorter, so that all is over after 72 hours.
WAITS_S = (
    5.0,
    *(5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 20 * _HOUR),
)

#: How often a webhook is sent at most.
MOST_ATTEMPTS = len(WAITS_S) + 1

LONGEST_WAIT_S = max(WAITS_S)

#: A receiver may ask to be left alone for so long; beyond that the schedule goes on as it would.
_LONGEST_ASKED_S = _HOUR

#: The least part of a wait that chance leaves: receivers that failed together are not called together.
_LEAST = 0.9


def wait_after(attempts: int, asked: float | None, chance: random.Random) -> float | None:
    """Seconds to wait after so many attempts (1 or more); None: it was the last.

    Args:
        asked: what the receiver said in Retry-After, in seconds.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    wait = WAITS_S[attempts - 1] * chance.uniform(_LEAST, 1.0)
    return max(wait, min(asked or 0.0, _LONGEST_ASKED_S))
