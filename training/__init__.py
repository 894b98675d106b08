"""One loop for every family; strategies, optimisers, checkpoints, the run folder."""
