"""Metrics, probes, pictures and the report of a run. Each family's own evaluation has the family's name."""

from . import xcov

# family -> module with quick(model, images), evaluate(model, train, test) and draw(model, images).
FAMILIES = {"xcov": xcov}

__all__ = ["FAMILIES"]
