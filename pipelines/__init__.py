"""Data: image sets of any kind as `tf.data` streams whose state is their step."""

from .images import batches, dataset, in_order, read, read_splits
from .source import UNLABELLED, Images
from .streams import Stream, StreamSettings

__all__ = ["UNLABELLED", "Images", "Stream", "StreamSettings", "batches", "dataset", "in_order", "read", "read_splits"]
