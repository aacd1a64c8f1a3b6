"""Signpost: the hooks that a plugin may implement live in `harness_core.hookspecs`; start reading there."""

from harness_core.hookspecs import *  # noqa: F403
