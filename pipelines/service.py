"""A `tf.data` service: processes elsewhere make the batches that a run trains on, and this one only takes them.

The dispatcher and its workers are the user's (`tf.data.experimental.service`; the commands are in docs/distributed.md).
Every worker goes through epochs of its own, so each image still comes once an epoch, but in which order the batches of
several workers arrive is up to the network: there is no step k to resume at, and nothing repeats bit for bit.
"""

import contextlib
import re
import threading
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.eager import cancellation

from ..errors import ClusterError, UserError, in_bytes
from .image_set import Images

_ADDRESS = re.compile(r"grpc://[^\s/:]+:[0-9]{1,5}")
# The stream goes to the service with all that it refers to, as one message; protocol buffers end at 2 GiB.
_MOST_BYTES = 1 << 30
_LOOK_SECONDS = 10.0  # Between two questions whether it is still there.


def check_address(address: str) -> None:
    """Refuses what is no address of a dispatcher.

    Raises:
      UserError: says what one looks like.

    Example:
      >>> check_address("grpc://localhost:5000")
    """
    if not _ADDRESS.fullmatch(address):
        raise UserError(f"data.service is '{address}'; expected grpc://HOST:PORT, as the dispatcher gives it")


def check(address: str, seconds: float) -> None:
    """Waits until the service has made a first element.

    Args:
      address: of its dispatcher, "grpc://HOST:PORT".
      seconds: how long it is waited for.

    Raises:
      UserError: no such address.
      ClusterError: there was no answer in that time.
    """
    check_address(address)
    if not _answers(address, seconds):
        raise ClusterError(
            f"the tf.data service {address} has made nothing for {seconds:g} s; start its dispatcher and a worker "
            "(docs/distributed.md), or leave data.service empty"
        )


def distributed(batches: tf.data.Dataset, images: Images, address: str) -> tf.data.Dataset:
    """The same stream, made by the service.

    Args:
      batches: endless, over epochs.
      images: whose batches they are.
      address: of the dispatcher.

    Raises:
      UserError: images that cannot be sent, or that only this process can decode.

    Example:
      stream = distributed(pipelines.batches(images, 100), images, "grpc://localhost:5000")
    """
    check_address(address)
    held = images.pixels.nbytes if images.pixels is not None else 0
    wanted = "expected shards of frames, drawn scenes or a small set in memory, or leave data.service empty"
    if images.pixels is None and images.shards is None and images.drawn is None:
        raise UserError(f"data.service is {address}, but only this process can read {images.name}; {wanted}")
    if held > _MOST_BYTES:
        raise UserError(
            f"data.service is {address}, but {images.name} would have to be sent, {in_bytes(held)}; {wanted}"
        )
    return batches.apply(_distribute(address))


@contextlib.contextmanager
def watched(address: str, seconds: float) -> Iterator[None]:
    """Ends what waits inside the block for a service that is gone; TensorFlow itself would wait for ever.

    Args:
      address: of the dispatcher; "" watches nothing.
      seconds: without an answer after which it counts as gone.

    Raises:
      ClusterError: it is gone.

    Example:
      with watched("grpc://localhost:5000", 300.0):
          loop.train(context, phases)
    """
    if not address:
        yield
        return
    manager, ended, gone = cancellation.CancellationManager(), threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            if not _answers(address, seconds) and not ended.is_set():
                gone.set()
                manager.start_cancel()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        with cancellation.CancellationManagerContext(manager):
            yield
    except (tf.errors.OpError, ClusterError) as error:
        # A dispatcher that was started again knows nothing of the jobs of the one before.
        again = isinstance(error, tf.errors.NotFoundError) and "Unknown iteration client" in str(error)
        if not gone.is_set() and not again:
            raise
        said = f"has made nothing for {seconds:g} s" if gone.is_set() else "was started again and knows no run"
        raise ClusterError(
            f"the tf.data service {address} {said}; start it and the same command again: training resumes from the "
            "last checkpoint"
        ) from None
    finally:
        ended.set()


def _distribute(address: str):
    service = tf.data.experimental.service
    return service.distribute(processing_mode=service.ShardingPolicy.DYNAMIC, service=address)


def _answers(address: str, seconds: float) -> bool:
    """Whether a dispatcher and a worker make an element in that time."""
    answered = threading.Event()

    def ask() -> None:
        # What cannot be reached now may be there in a moment: silence is the only answer that counts.
        with contextlib.suppress(tf.errors.OpError):
            for _ in tf.data.Dataset.range(1).apply(_distribute(address)):
                answered.set()

    # A question to nobody never ends, and the process must be able to.
    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(seconds)
