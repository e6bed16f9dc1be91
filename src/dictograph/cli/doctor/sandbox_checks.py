"""Checks of `dictograph doctor` for the sandbox: each layer is tried alone, in a separate process."""

from __future__ import annotations

from collections.abc import Mapping

from dictograph.child.sandbox.policy import NEEDED, Layer
from dictograph.child.sandbox.self_test import why_not
from dictograph.cli.doctor.findings import Check, Result, Verdict
from dictograph.settings.model import Settings, variable

_HOLDS: Mapping[Layer, str] = {
    Layer.LIMITS: "a decoder has limits on memory and files",
    Layer.NETWORK: "a decoder has a network namespace in which there is nothing",
    Layer.FOLDER: "a decoder sees no folder but an empty one",
    Layer.USER: "a decoder is not root and cannot be",
    Layer.LANDLOCK: "a decoder can open no file",
    Layer.SECCOMP: "a decoder can make no system call but those of a list",
}

_NAMESPACES = (
    "Allow user namespaces (user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns), or those of the container. "
)

_ADVICE: Mapping[Layer, str] = {
    Layer.LIMITS: "Decoders are still ended when their resident memory grows too large.",
    Layer.NETWORK: _NAMESPACES + "Where seccomp holds, sockets are refused all the same.",
    Layer.FOLDER: _NAMESPACES + "Where landlock holds, no file can be opened all the same.",
    Layer.USER: "Run the service as a user without rights, or a container with SETUID and SETGID.",
    Layer.LANDLOCK: "It needs Linux 5.13 or newer, with `landlock` in the boot parameter lsm=.",
    Layer.SECCOMP: "It needs Linux on x86_64 or aarch64, built with CONFIG_SECCOMP_FILTER.",
}


def checks() -> dict[str, Check]:
    """Return one check for each layer, by the layer's name."""
    return {layer.value: _check(layer) for layer in Layer}


def _check(layer: Layer) -> Check:
    async def check(settings: Settings) -> Result:
        if settings.sandbox == "off":
            return Verdict.WARN, f"switched off by {variable('sandbox')}", "Set it to `auto`, which is the default."
        reason = await why_not(layer)
        if not reason:
            return Verdict.OK, _HOLDS[layer], ""
        needed = settings.sandbox == "required" and layer in NEEDED
        return Verdict.FAIL if needed else Verdict.WARN, f"does not hold: {reason}", _ADVICE[layer]

    return check
