"""SCAN on a few hundred pictures of your own, all of them with words: a table with a row a picture.

The networks and objectives of scan_scenes, for sets in which every combination of words may have a single picture, as
emoji people do (examples/words/emoji_people.py). Half as many pictures are shown a step; every picture has words, and
no pairs of values are left out: what shall not be shown together, the table's column `split` says. A quarter of an hour
on one CPU core.

    reverie train --config=scan_few --workdir=runs/people --config.data.source=table:people.csv
    reverie imagine --run=runs/people "dark woman farmer"

Without a table, 500 rooms are drawn. Measured numbers and times: docs/results/emoji_people.md.
"""

import ml_collections
from reverie.configs import scan_scenes


def get_config() -> ml_collections.ConfigDict:
    config = scan_scenes.get_config()
    config.data.source = "scenes:500"
    config.words.pairs = 0
    config.words.held_out = 0.0
    config.model.vision.update({"hold_steps": 3500, "ramp_steps": 1500})
    config.stages.vision.update({"steps": 6000, "batch_size": 32, "unmix_at": (1000, 2000, 3000)})
    return config
