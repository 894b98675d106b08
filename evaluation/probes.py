"""Linear probe: how well a class can be read off a code by multinomial logistic regression."""

import itertools

import numpy as np
import scipy.optimize

from ..progress import Progress

_ITERATIONS = 500  # At most.


def probe_accuracy(
    train_codes,
    train_labels,
    test_codes,
    test_labels,
    classes: int,
    degree: int = 1,
    decay: float = 1e-4,
    balanced: bool = False,
) -> float:
    """Fits softmax(W phi(z) + b) on training codes and returns its accuracy on test codes.

    Chance level is the share of the most frequent class: a probe at chance means that the code tells nothing
    linear of the class. Degree 2 adds squares and products, which a covariance penalty does not touch. Where one
    class is most of the set, a probe does well to answer it always, whatever the code tells; the balanced one cannot.

    Args:
      train_codes, test_codes: float [n, d].
      train_labels, test_labels: integers [n], -1 rows are left out.
      classes: number of classes.
      degree: 1 or 2.
      decay: L2 penalty on W, so that the fit is unique.
      balanced: whether every class counts alike, in the fit and in the accuracy; chance is one over the classes then.

    Returns:
      Accuracy in 0..1.
    """
    (x, y), (x_test, y_test) = _labeled(train_codes, train_labels), _labeled(test_codes, test_labels)
    x, x_test = _features(x, degree), _features(x_test, degree)
    mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-12)
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    counts = np.bincount(y, minlength=classes)
    weights = fit_softmax(x, y, classes, decay, len(y) / (np.sum(counts > 0) * counts[y]) if balanced else None)
    predicted = np.argmax(x_test @ weights[:-1] + weights[-1], axis=1)
    return balanced_accuracy(predicted, y_test) if balanced else float(np.mean(predicted == y_test))


def balanced_accuracy(predicted, labels) -> float:
    """The mean over classes of the share of their images that are told right.

    Args:
      predicted, labels: integers [n]; classes without a label count for nothing.

    Example:
      >>> balanced_accuracy([0, 0, 0, 0], [0, 0, 0, 1])
      0.5
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    return float(np.mean([np.mean(predicted[labels == label] == label) for label in np.unique(labels)]))


def fit_softmax(
    x: np.ndarray, y: np.ndarray, classes: int, decay: float, row_weights: np.ndarray | None = None
) -> np.ndarray:
    """Multinomial logistic regression by L-BFGS.

    Args:
      x: float64 [n, d]; y: integers [n].
      row_weights: float64 [n] of mean 1, how much each row counts; None is alike.

    Returns:
      float64 [d + 1, classes], the bias last.
    """
    n, d = x.shape
    target = np.eye(classes)[y]
    counted = np.ones([n, 1]) if row_weights is None else row_weights[:, None]

    def loss(flat):
        weights = flat.reshape(d + 1, classes)
        scores = x @ weights[:-1] + weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(scores).sum(axis=1, keepdims=True))
        residual = counted * (np.exp(scores - log_sum) - target) / n
        gradient = np.vstack([x.T @ residual + decay * weights[:-1], residual.sum(axis=0)])
        value = -np.sum(counted * (scores - log_sum) * target) / n + 0.5 * decay * np.sum(weights[:-1] ** 2)
        return value, gradient.ravel()

    start = np.zeros((d + 1) * classes)
    with Progress("fitting a probe", _ITERATIONS, "pass") as progress:
        result = scipy.optimize.minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            callback=lambda _: progress.update(),
            options={"maxiter": _ITERATIONS},
        )
    return result.x.reshape(d + 1, classes)


def _labeled(codes, labels) -> tuple:
    labels = np.asarray(labels)
    rows = labels >= 0
    return np.asarray(codes, np.float64)[rows], labels[rows]


def _features(codes: np.ndarray, degree: int) -> np.ndarray:
    if degree == 1:
        return codes
    pairs = itertools.combinations_with_replacement(range(codes.shape[1]), 2)
    return np.hstack([codes, *(codes[:, [i]] * codes[:, [j]] for i, j in pairs)])
