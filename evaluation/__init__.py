"""Metrics, probes, pictures and the report of a run. Each family's own evaluation has the family's name."""

from .contract import Evaluation, EvaluationData, Headline, Picture, check_options, headlines, of_family

__all__ = ["Evaluation", "EvaluationData", "Headline", "Picture", "check_options", "headlines", "of_family"]
