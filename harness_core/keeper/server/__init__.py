"""The keeper's own process. Standard library only; Python 3.8 or newer; no asyncio."""
