"""``python -I -S <this folder> STATE_DIR``: run the keeper."""

import os
import sys

if __name__ == "__main__":
    # -I -S leave our own package unknown: make it importable after the standard library, never before it.
    sys.path[0:1] = []
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3)))

    from harness_core.keeper.server.main import main

    main(sys.argv)
