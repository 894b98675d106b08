"""reverie: models that perceive and imagine through the same units, on TensorFlow and Keras."""

__version__ = "0.1.0"
