"""A source: bright rows in noise, drawn."""

import numpy as np
from reverie import UserError
from reverie.pipelines import Option, Source, from_arrays, register_source


class ToyRows(Source):
    kind, summary, forms = "toyrows", "bright rows in noise, drawn", ("toyrows:COUNT",)
    options = {"toy_brightness": Option(180, "of the bright row, 0 to 195")}

    def splits(self, place, request):
        return ("train", "test")

    def read(self, place, split, request):
        try:
            count = int(place)
        except ValueError:
            raise UserError(f"toyrows:{place}: expected toyrows:COUNT, as toyrows:200") from None
        if count < 1:
            raise UserError(f"toyrows:{place}: expected at least one image")
        generator = np.random.default_rng(0 if split == "train" else 1)
        labels = generator.integers(0, 3, count)
        images = generator.integers(0, 60, (count, 8, 8, 1))
        images[np.arange(count), 2 * labels] += request.options["toy_brightness"]
        return from_arrays(f"toyrows:{place}:{split}", images.astype(np.uint8), labels)


register_source(ToyRows())
