"""Serve one provider to the engine that runs `python -m sandbox.provider PACKAGE ENGINE`.

ENGINE, the engine's address, is ignored.
"""

import os
import signal
import sys
import threading
import time
from typing import Final

from sandbox.provider.server import serve_provider

_PARENT_CHECK: Final = 0.1
"""Seconds between checks that the engine is still running."""


def _end_with_parent(parent_process_id: int) -> None:
    """End the process when the engine has ended, because a killed engine sends no signal."""
    while os.getppid() == parent_process_id:
        time.sleep(_PARENT_CHECK)
    os._exit(1)


def main() -> None:
    """Serve until the engine ends."""
    # The engine stops a provider with SIGINT and waits, so end immediately, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    server, port = serve_provider(sys.argv[1])
    print(port, flush=True)  # the engine reads the port from the first line
    server.wait_for_termination()


if __name__ == "__main__":
    main()
