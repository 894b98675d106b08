"""The network of Le et al. 2012 in full: 200 x 200 color frames, 1.2 billion encoder weights, as many in the decoder.

Three stages of 8 untied filters of 18 x 18 at every position (stride 1, without padding), L2 pooling over 5 x 5
(overlapping, without padding), contrast normalization over 5 x 5: 260 + 544 + 412 million weights, the reading of the
paper whose count comes to its "one billion connections". lambda 0.1, minibatch 100, plain SGD, all stages together.
The paper used 16,000 cores for three days and does not state learning rate, schedule, whitening or initial values:
those here are ours.

Encoder and decoder take 10.9 GB in float32 with the zeros of their blocks, gradients as much again. `memory_saving`
computes and applies one stage after the other and so needs the gradients of one stage only (4.9 GB): it trains on
24 GB of memory, with a batch of one or two. On one accelerator of 80 GB or more turn it off
(`--config.model.memory_saving=False --config.model.block=0`) and take the batch of 100.

It starts from filters that all positions learned together (`sparse_le2012_start`), spread over the positions: eight
filters of their own for each position, learned from noise, would need each position to see what all of them saw there.
Without `greedy.start_from` it starts from noise, as the paper does not say.

    reverie data frames --videos='videos/**' --out=frames --size=200
    reverie train --config=sparse_le2012_start --config.data.source=frames:frames --workdir=runs/le2012_start
    reverie train --config=sparse_le2012 --config.data.source=frames:frames \
        --config.greedy.start_from=runs/le2012_start --workdir=runs/le2012
    # With 24 GB of memory: --config.train.batch_size=1
"""

import ml_collections
from reverie.configs import defaults, sparse_joint


def get_config() -> ml_collections.ConfigDict:
    config = sparse_joint.get_config()
    config.greedy = defaults.layer_by_layer("sparse").greedy
    config.greedy.steps = (0,)
    config.data.image_shape = (200, 200, 3)
    config.model.image_shape = (200, 200, 3)
    config.model.field = 18
    config.model.block = 2
    config.model.shards = 8
    config.model.memory_saving = True
    config.train.steps = 300_000  # Three passes over ten million frames.
    config.train.steps_per_call = 1
    config.train.log_every = 1
    config.train.checkpoint_every = 1000
    config.train.keep_checkpoints = 1  # Each is 11 GB.
    config.optimizer = ml_collections.ConfigDict({"name": "sgd"})
    config.schedule.name = "constant"
    # Of learned filters, 2e-5 diverges within two steps of one image; short ones of noise take it, and not 1e-4.
    config.schedule.rate = 1e-6
    return config
