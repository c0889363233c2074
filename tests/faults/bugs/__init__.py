"""Deliberate bugs of the product, to test whoever judges it: each is planted in one process, and nowhere else."""

from tests.faults.bugs import decisions, leads, mechanism, steps
from tests.faults.bugs.planting import BUGS, Bug

__all__ = ["BUGS", "Bug", "decisions", "leads", "mechanism", "steps"]
