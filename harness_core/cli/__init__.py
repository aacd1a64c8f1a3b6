"""The command line: click reads it, commands make requests, pure functions turn the answers into text."""
