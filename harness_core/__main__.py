"""`python -m harness_core` is `harness`."""

from harness_core.cli.entry import main

if __name__ == "__main__":
    main()
