"""Metrics, probes, pictures and the report of a run. Each family's own evaluation has the family's name."""

from .contract import Evaluation, EvaluationData, Picture, check_options, of_family

__all__ = ["Evaluation", "EvaluationData", "Picture", "check_options", "of_family"]
