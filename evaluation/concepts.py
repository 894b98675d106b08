"""The concept graph: what is imagined, from nothing named to a complete scene (Higgins et al. 2018, figure 1)."""

import itertools

import tensorflow as tf

from . import pictures
from .contract import Picture

_MOST = 4  # Attributes: the graph has 2^n nodes.


def lattice(symbol: dict) -> tuple:
    """All parts of a symbol and which follows from which.

    Args:
      symbol: {attribute: value}; of many attributes the first four.

    Returns:
      (levels: a list a number of named attributes of lists of symbols, edges: [(lesser, greater)] between neighboring
      levels, where the greater one names everything that the lesser does and one thing more).
    """
    items = list(symbol.items())[:_MOST]
    levels = [[dict(part) for part in itertools.combinations(items, size)] for size in range(len(items) + 1)]
    edges = [
        (lesser, greater)
        for below, above in itertools.pairwise(levels)
        for lesser in below
        for greater in above
        if lesser.items() <= greater.items()
    ]
    return levels, edges


def draw(model, vocabulary, symbol: dict, shown: int = 4) -> Picture:
    """Every concept below `symbol` with `shown` pictures that the model imagines of it."""
    levels, edges = lattice(symbol)
    made = {}
    for level in levels:
        for part in level:
            # The empty concept is the prior: anything.
            khot = tf.constant(vocabulary.encode(part)[None])
            request = (tf.constant(shown), tf.constant([len(made), 1]))
            answer = model.symbols_to_images(khot, *request) if part else model.generate(*request)
            images = answer["images"].numpy()
            made[vocabulary.phrase(part)] = pictures.grid(images.reshape(2, -1, *images.shape[1:]), 1, 64)
    names = [[vocabulary.phrase(part) for part in level] for level in levels]
    lines = [(vocabulary.phrase(lesser), vocabulary.phrase(greater)) for lesser, greater in edges]
    return Picture(
        pictures.graph(names, lines, made),
        "Concepts, from anything at all down to a complete scene. Going down a line adds a value (AND), going up "
        "takes it away (IGNORE); what two concepts share is where their lines meet above (IN COMMON).",
    )
