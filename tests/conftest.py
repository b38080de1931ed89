"""What all tests share: no network beyond loopback, Hypothesis profiles, and where the recordings are."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT.parent / "shared" / "data" / "dev"
SMALL = Path(__file__).resolve().parent / "data"

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("fast", max_examples=12, derandomize=True, **_COMMON)  # type: ignore[arg-type]
settings.register_profile("usual", max_examples=30, derandomize=True, **_COMMON)  # type: ignore[arg-type]
settings.register_profile("deep", max_examples=500, **_COMMON)  # type: ignore[arg-type]
settings.load_profile("fast")


def pytest_configure(config: pytest.Config) -> None:
    """`-m long` runs what takes long, `-m slow` the deep profile, `-m recorded` the full set of recordings; by default none runs."""
    if config.option.markexpr == "slow":
        settings.load_profile("deep")
    elif not config.option.markexpr:
        config.option.markexpr = "not slow and not recorded and not long"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that is not to this machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refuse(address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host in (None, "localhost") or ipaddress.ip_address(str(host)).is_loopback:
            return
        raise AssertionError("a test tried to reach the network")

    def guarded(self: socket.socket, address: Any) -> None:
        refuse(address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        refuse(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The full set of recordings; the test is skipped where it is not there."""
    if not RECORDINGS.is_dir():
        pytest.skip("the full set of recordings is not there")
    return RECORDINGS
