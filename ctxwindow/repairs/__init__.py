"""Broken histories made sendable: `repair`, and what it did."""

from ctxwindow.repairs.history import Repair
from ctxwindow.repairs.repair import repair

__all__ = ["Repair", "repair"]
