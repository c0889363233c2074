"""Deliberate bugs of the product, each planted in one process, to test the oracle."""

from tests.faults.bugs import decisions, leads, mechanism, steps
from tests.faults.bugs.planting import BUGS, Bug

__all__ = ["BUGS", "Bug", "decisions", "leads", "mechanism", "steps"]
