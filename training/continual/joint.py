"""Joint training: the upper bounds that forget nothing, because they see the images of all tasks."""

from ...pipelines import Images, Stream
from .method import Method


class Joint(Method):
    """Each task trains on the images of all tasks so far."""

    name, recipe = "joint", "joint"
    summary = "each task trains on the images of all tasks so far (cumulative)"
    stateful = False
    alone = "joint training sees all images"

    def images(self, stream: Stream, number: int) -> Images:
        """See `Method.images`."""
        return stream.upto(number)


class JointIID(Method):
    """One training on the images of all tasks, mixed."""

    name, recipe = "joint_iid", "joint_iid"
    summary = "one training on the images of all tasks, mixed"
    stateful, one_phase = False, True
    alone = Joint.alone

    def images(self, stream: Stream, number: int) -> Images:
        """See `Method.images`."""
        del number
        return stream.upto(len(stream) - 1)
