"""Broken histories made sendable: `repair`, and what it did."""

from ctxwindow.repairs.history import Repair
from ctxwindow.repairs.mending import repair

__all__ = ["Repair", "repair"]
