"""Load generators, each a program of its own: some run with a peer's interpreter, so nothing is imported here."""
