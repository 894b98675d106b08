"""One loop for every family; strategies, optimizers, checkpoints, the run folder."""
