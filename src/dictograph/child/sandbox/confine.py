"""Puts the layers on, one after the other. A layer that cannot be put on is reported; the others hold without it."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from dictograph.child.sandbox import landlock, limits, namespaces, privileges, seccomp
from dictograph.child.sandbox.kernel import PR_SET_PDEATHSIG, prctl, threads
from dictograph.child.sandbox.policy import Layer, Sandbox


def confine(sandbox: Sandbox, start_threads: Callable[[], None] = lambda: None) -> dict[Layer, str]:
    """Confine this process for good. Return the requested layers that could not be put on, each with the reason.

    The process may have only one thread, since the kernel confines threads and not processes. `start_threads` starts
    the threads that are needed later: a sealed process can start none once it has the filter of system calls. That
    filter is the only layer that all threads get, including unexpected ones.
    """
    limits.limit(sandbox.file_size, sandbox.open_files, sandbox.data if sys.platform == "linux" else 0)
    layers = [layer for layer in Layer if layer in sandbox.layers - {Layer.LIMITS}]
    if sys.platform != "linux":
        start_threads()
        return dict.fromkeys(layers, "only Linux has this")
    limits.go_first()
    privileges.no_new_rights()
    of_one_thread = [layer for layer in layers if layer is not Layer.SECCOMP]
    missing = _put_on_alone(of_one_thread, _steps(sandbox))
    start_threads()
    return missing | _put_on(layers[len(of_one_thread) :], _steps(sandbox))


def _put_on_alone(layers: Sequence[Layer], steps: Mapping[Layer, Callable[[], None]]) -> dict[Layer, str]:
    if (count := threads()) > 1:
        return dict.fromkeys(layers, f"the process had {count} threads already")
    return _put_on(layers, steps)


def _put_on(layers: Sequence[Layer], steps: Mapping[Layer, Callable[[], None]]) -> dict[Layer, str]:
    missing = {}
    for layer in layers:
        try:
            steps[layer]()
        except OSError as error:
            missing[layer] = _reason(layer, error)
    return missing


def _steps(sandbox: Sandbox) -> dict[Layer, Callable[[], None]]:
    sealed = sandbox.sealed
    writable, online = sandbox.writable, sandbox.online
    return {
        Layer.NETWORK: namespaces.leave_network,
        Layer.FOLDER: namespaces.enter_folder,
        Layer.USER: _give_up_rights,
        Layer.LANDLOCK: landlock.seal if sealed else lambda: landlock.keep_from_writing(writable, online=online),
        Layer.SECCOMP: seccomp.seal if sealed else seccomp.forbid,
    }


def _give_up_rights() -> None:
    privileges.give_up()
    # A process that changes its user loses the parent-death signal.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _reason(layer: Layer, error: OSError) -> str:
    if layer is Layer.LANDLOCK and error.errno == errno.ENOSYS:
        return "the kernel has no Landlock (it came with Linux 5.13)"
    if layer is Layer.LANDLOCK and error.errno == errno.EOPNOTSUPP:
        return "Landlock is switched off in this kernel (its boot parameter lsm= does not name it)"
    if layer is Layer.SECCOMP and error.errno in (errno.ENOSYS, errno.EINVAL):
        return f"the kernel takes no filter of system calls ({error.strerror})"
    return error.strerror or str(error)
