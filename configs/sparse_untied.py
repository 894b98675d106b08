"""Filters of each position's own, from a start that all positions learned together: `sparse_small` untied.

The run that it starts from is one of `sparse_small` (`sparse_untied:gray`: of `sparse_gray`); its filters are spread
over all positions, and every position goes on learning from what it sees there. All stages together, as in the paper.

    reverie train --config=sparse_small --config.data.source=frames:frames --workdir=runs/sparse
    reverie train --config=sparse_untied --config.data.source=frames:frames --config.greedy.start_from=runs/sparse \\
        --workdir=runs/untied
"""

import ml_collections
from reverie.configs import sparse_gray, sparse_small

_STARTS = {"color": sparse_small, "gray": sparse_gray}


def get_config(start: str = "color") -> ml_collections.ConfigDict:
    if start not in _STARTS:
        raise ValueError(f"start is '{start}'; expected one of {', '.join(_STARTS)}, or none")
    config = _STARTS[start].get_config()
    config.model.tile = 0
    config.greedy.steps = (0,)
    config.greedy.start_from = "runs/sparse"
    config.train.steps = 300
    config.schedule.rate = 1e-3
    return config
