"""Context-dependent gating: every task has random, fixed units of the trunk to itself."""

from collections.abc import Mapping
from typing import Any

from ...errors import UserError
from .method import REHEARSING, Method


class XdG(Method):
    """Context-dependent gating of the trunk by task (Masse et al. 2018, PNAS 115:E10467).

    The gates are the model's (`model.task_gating`); here stands only where they may be used.
    """

    name, recipe = "xdg", "xdg"
    summary = "context-dependent gating of the trunk by task"
    stateful = False
    scenarios = ("task",)
    scenario_reason = "gates by task, which the {scenario}-incremental scenario does not provide"
    excludes = {REHEARSING: "do not go together: rehearsed rows belong to no one task"}

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """See `Method.configure`; the number is the share of closed trunk units."""
        config.model.task_gating = value if chosen and value is not None else 0.0

    @classmethod
    def check_model(cls, chosen: bool, model: Mapping) -> None:
        """See `Method.check_model`: the trunk has gates if, and only if, the method is in use."""
        share = model.get("task_gating", 0.0)
        if chosen != (share > 0.0):
            raise UserError(
                f"xdg is {'on' if chosen else 'off'}, but model.task_gating is {share:g}; XdG needs a share of units "
                "above 0, other methods need 0"
            )
