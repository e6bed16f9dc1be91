"""`python -m dictograph.child.sandbox MODULE …`: confine this process, then run the module as `python -m` would.

For children that load our own libraries and models: the process is confined before a library starts a thread.
"""

from __future__ import annotations

import os
import runpy
import sys

from dictograph.child.sandbox.confine import confine
from dictograph.child.sandbox.policy import Sandbox


def main() -> None:
    """Confine this process, and run the module that the first argument names."""
    sandbox = Sandbox.of(os.environ)
    if sandbox is not None:
        for layer, reason in confine(sandbox).items():
            print(f"sandbox: no {layer}: {reason}", file=sys.stderr)
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
