"""`python -m harness_core` is `harness`."""

import sys

from harness_core.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
