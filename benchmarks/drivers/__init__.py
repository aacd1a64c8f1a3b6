"""The tools that are measured: harness, the floor and the peers, by name."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.drivers.circus import Circus
from benchmarks.drivers.driver import Driver, Service
from benchmarks.drivers.floor import Floor
from benchmarks.drivers.harness import Harness
from benchmarks.drivers.honcho import Honcho
from benchmarks.drivers.pm2 import Pm2
from benchmarks.drivers.service_folders import S6, Runit
from benchmarks.drivers.supervisord import Supervisord
from benchmarks.drivers.systemd import Systemd

DRIVERS: Mapping[str, type[Driver]] = {
    driver.name: driver for driver in (Floor, Harness, S6, Runit, Systemd, Supervisord, Circus, Pm2, Honcho)
}

__all__ = ["DRIVERS", "Driver", "Harness", "Service"]
