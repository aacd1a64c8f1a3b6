"""What is installed: find entry points, load them one by one, check what they offer, and say what is broken."""

from harness_core.plugins.catalog import BrokenPlugin, Catalog, DisabledPlugin, Kind, LoadedPlugin, PluginMissing
from harness_core.plugins.loader import DISABLE_VARIABLE, discover

__all__ = [
    "DISABLE_VARIABLE",
    "BrokenPlugin",
    "Catalog",
    "DisabledPlugin",
    "Kind",
    "LoadedPlugin",
    "PluginMissing",
    "discover",
]
