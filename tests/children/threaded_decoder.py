"""The real decoder in a process that has started a thread, which the kernel would leave out of what it confines."""

from __future__ import annotations

import sys
import threading

from dictograph.audio.decoder_child import handle
from dictograph.child.loop import serve

if __name__ == "__main__":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    sys.exit(serve(handle))
