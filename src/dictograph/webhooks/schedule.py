"""The schedule of a webhook that could not be delivered: ten attempts over three days."""

from __future__ import annotations

import random

_MINUTE, _HOUR = 60.0, 3600.0

#: The waits after the first attempt and the following ones, in seconds. They are the specification's example, except
#: for the last, which is shorter, so that the attempts end after 72 hours.
WAITS_S = (
    5.0,
    *(5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 20 * _HOUR),
)

#: The highest number of attempts.
MOST_ATTEMPTS = len(WAITS_S) + 1

LONGEST_WAIT_S = max(WAITS_S)

#: The longest wait that a receiver may ask for; after it the schedule goes on as usual.
_LONGEST_ASKED_S = _HOUR

#: The smallest part of a wait after randomization, which keeps receivers that failed together from being called
#: together.
_LEAST = 0.9


def wait_after(attempts: int, asked: float | None, chance: random.Random) -> float | None:
    """Return the seconds to wait after this number of attempts (1 or more); None: it was the last one.

    Args:
        asked: the receiver's Retry-After, in seconds.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    wait = WAITS_S[attempts - 1] * chance.uniform(_LEAST, 1.0)
    return max(wait, min(asked or 0.0, _LONGEST_ASKED_S))
