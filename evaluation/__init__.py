"""Metrics, probes, pictures and the report of a run. Each family's own evaluation has the family's name."""

from . import replay, scan, sparse, sparse_classifier, xcov

# family -> module with quick(model, images), evaluate(model, train, test) and draw(model, images). The families
# that learn streams of tasks take `pipelines.Stream`s and the run's history instead, see replay.py; those that train in
# stages also take what is known of the run, see scan.py.
FAMILIES = {
    "jmvae": scan,
    "replay": replay,
    "scan": scan,
    "sparse": sparse,
    "sparse_classifier": sparse_classifier,
    "xcov": xcov,
}

__all__ = ["FAMILIES"]
