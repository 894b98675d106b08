"""The digits that ship with the package: 5,000 for training and 1,000 for testing, out of MNIST (see NOTICE)."""

import dataclasses
import pathlib

from ..image_set import Images
from .contract import Request, Source
from .npz import read_npz

SAMPLE = pathlib.Path(__file__).parents[1] / "data" / "mnist_sample.npz"


class MnistSample(Source):
    """`mnist_sample`."""

    kind = "mnist_sample"
    summary = "5,000 + 1,000 real digits that ship with the package"
    forms = ("mnist_sample",)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return ("train", "test")

    def read(self, place: str, split: str, request: Request) -> Images:
        return dataclasses.replace(read_npz(str(SAMPLE), split), name=f"mnist_sample:{split}")


SOURCES = (MnistSample(),)
