"""What every layer promises, of ours."""

from __future__ import annotations

import pytest

from harness_core.testing import LayerContract
from harness_plugin_layers.plugin import ENV, LOCAL, SUDO


class TestLocal(LayerContract):
    offer = LOCAL


class TestEnv(LayerContract):
    offer = ENV
    config = {"set": {"ADDED": "by the layer"}, "unset": ["NOT_THERE"]}  # noqa: RUF012


@pytest.mark.usefixtures("sudo")
class TestSudo(LayerContract):
    offer = SUDO
    config = {"user": "root"}  # noqa: RUF012
