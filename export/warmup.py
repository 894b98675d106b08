"""Warm-up requests: what TensorFlow Serving replays when it loads a version, so that no client waits."""

import pathlib

import tensorflow as tf

from ..errors import ParityError, UserError
from ..models.signature import first_rows
from ..paths import plain_name
from .graph_loader import GraphModel, reason

FILE = "assets.extra/tf_serving_warmup_requests"
BATCH_SIZES = (1, 16)


def protocol() -> tuple:
    """The modules (predict_pb2, prediction_log_pb2) of TensorFlow Serving's protocol.

    Raises:
      UserError: they are not installed.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        raise UserError(
            "warm-up requests need TensorFlow Serving's protocol: pip install 'reverie[serving]', or export --nowarmup"
        ) from None
    return predict_pb2, prediction_log_pb2


def write(folder, name: str, examples: dict[str, dict]) -> int:
    """Writes the warm-up file of a SavedModel: every signature at two batch sizes.

    Args:
      folder: the SavedModel.
      name: the model's name as the server knows it.
      examples: signature -> inputs by name, numpy; of every endpoint, `serving_default` and `encode_bytes` too.

    Returns:
      Number of requests (TensorFlow Serving accepts up to 1,000).

    Raises:
      UserError: the serving protocol's package is not installed.
    """
    predict_pb2, prediction_log_pb2 = protocol()
    path = pathlib.Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with tf.io.TFRecordWriter(plain_name(str(path))) as writer:
        for signature, inputs in examples.items():
            for size in BATCH_SIZES:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                for key, value in first_rows(inputs, size).items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
                writer.write(log.SerializeToString())
                count += 1
    return count


def replay(folder, graph: GraphModel) -> int:
    """Runs the warm-up file through the graph loader, as the server will, and returns how many requests ran.

    Args:
      folder: the SavedModel.
      graph: the same, loaded.

    Raises:
      ParityError: a request does not run.
    """
    _, prediction_log_pb2 = protocol()
    count = 0
    for record in tf.data.TFRecordDataset(plain_name(str(pathlib.Path(folder) / FILE))).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        signature = request.model_spec.signature_name
        try:
            graph.call(signature, **inputs)
        except tf.errors.OpError as error:
            message = f"warm-up, {signature}: does not run ({reason(error)}); nothing was published"
            raise ParityError(message) from error
        count += 1
    return count
