"""A small assembler for the filter programs of seccomp(2).

Written here, since libseccomp is a system library that `pip install` does not bring, and only six instructions are
needed. A filter reads `struct seccomp_data`: the call's number, the kind of processor, six arguments.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: The outcomes of a call: it is made; it fails with an errno; the process ends with SIGSYS.
ALLOW, KILL = 0x7FFF0000, 0x80000000
_ERRNO = 0x00050000

_NUMBER, _PROCESSOR, _ARGUMENTS = 0, 4, 16
_LOAD, _AND, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Only:
    """A call is made only if `argument` (0 to 5), its lower 32 bits masked, is one of `values`; else it fails."""

    argument: int
    values: Sequence[int]
    mask: int = 0xFFFFFFFF
    otherwise: int = errno.EPERM


#: The rule for a call: an action, or conditions. The call is made if it meets all conditions.
Rule = int | tuple[Only, ...]


def refused(number: int) -> int:
    """Return the action that makes a call fail with an errno."""
    return _ERRNO | number


def program(processor: int, foreign_from: int | None, rules: Iterable[tuple[int, Rule]], rest: int) -> bytes:
    """Return the filter: a rule for each call's number, `rest` for all calls without a rule.

    A call for another kind of processor ends the process. So does a call numbered `foreign_from` or above (x32).
    """
    code: list[Instruction] = [
        (_LOAD, 0, 0, _PROCESSOR),
        (_IF_EQUAL, 1, 0, processor),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if foreign_from is not None:
        code += [(_IF_AT_LEAST, 0, 1, foreign_from), (_RETURN, 0, 0, KILL)]
    for number, rule in rules:
        body = _body(rule)
        code += [(_IF_EQUAL, 0, len(body), number), *body]
    code.append((_RETURN, 0, 0, rest))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _body(rule: Rule) -> list[Instruction]:
    if isinstance(rule, int):
        return [(_RETURN, 0, 0, rule)]
    return [*(step for only in rule for step in _checked(only)), (_RETURN, 0, 0, ALLOW)]


def _checked(only: Only) -> list[Instruction]:
    """Return instructions that continue after their end if the argument is allowed."""
    # Both kinds of processor that the filter knows are little-endian: the lower half comes first.
    load = [(_LOAD, 0, 0, _ARGUMENTS + 8 * only.argument), (_AND, 0, 0, only.mask)]
    count = len(only.values)
    compare = [(_IF_EQUAL, count - index, 0, value) for index, value in enumerate(only.values)]
    return [*load, *compare, (_RETURN, 0, 0, refused(only.otherwise))]
