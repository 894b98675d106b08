"""Every setting of the `data`, `train`, `optimizer` and `schedule` sections, once, with its meaning."""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.seed = 0  # Keys the initial weights, the order of examples and all noise.

    config.data = ml_collections.ConfigDict()
    config.data.source = "mnist_sample"  # See pipelines/images.py for the kinds of sources.
    config.data.image_shape = (28, 28, 1)
    config.data.resize = "none"  # none, stretch, crop
    config.data.data_dir = ""  # Where TFDS sets were prepared.
    config.data.label_key = "label"  # The TFDS feature with the label.
    config.data.attributes = False  # Of TFDS sets: all named attributes (as of shapes3d, celeb_a) instead of one label.
    config.data.validation_fraction = 0.0  # Held out of "train" where the source has no validation split.
    config.data.test_fraction = 0.1  # Likewise for folders and .npz files without test images.
    config.data.holdout_seed = 0
    config.data.fold = 0  # TFD's official fold.
    config.data.max_pixels = 40_000_000  # Width * height of one file, checked before decoding.
    config.data.max_file_mib = 64.0
    config.data.max_bad_fraction = 0.01  # Share of unusable files above which the run does not start.
    config.data.memory_gib = 4.0  # Larger sets are decoded while streaming.

    config.train = ml_collections.ConfigDict()
    config.train.steps = 0  # Set this or epochs.
    config.train.epochs = 0.0
    config.train.batch_size = 100  # Over all replicas.
    config.train.steps_per_call = 50
    config.train.log_every = 200
    config.train.checkpoint_every = 2000
    config.train.evaluate_every = 0
    config.train.picture_every = 0
    config.train.keep_checkpoints = 3
    config.train.ema_decay = 0.0
    config.train.jit = False
    config.train.on_nonfinite = "stop"  # stop, skip
    config.train.max_skipped = 10

    # The rule's own numbers stand beside its name; see training/optimizers.py for what each rule takes.
    config.optimizer = ml_collections.ConfigDict({"name": "adam"})
    config.schedule = ml_collections.ConfigDict()
    config.schedule.name = "constant"  # constant, cosine, linear, exponential, steps
    config.schedule.rate = 1e-3  # Peak learning rate.
    config.schedule.restarts = False  # Whether it starts again with each task of a stream.
    config.schedule.warmup_steps = 0  # Linear rise from 0.
    config.schedule.final_fraction = 0.0  # Last rate over peak: cosine, linear; a `decay_steps`' factor: exponential.
    config.schedule.decay_steps = 0  # exponential only.
    config.schedule.boundaries = ()  # steps only: where the rate is multiplied by `factor`.
    config.schedule.factor = 0.1
    return config
