"""Encodes a picture with a published version's LiteRT file: no TensorFlow, no Keras, nothing of reverie.

    python -m venv device && device/bin/pip install ai-edge-litert numpy pillow
    device/bin/python examples/device/encode.py runs/a/export/xcov/1 picture.png [--variant=int8]

Prints what the encoder says as JSON; of probabilities of one head also the likeliest class by its name.
"""

import argparse
import json
import pathlib

import numpy as np
import PIL.Image
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=pathlib.Path)
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("--variant", default="float32")
    options = parser.parse_args()

    facts = json.loads((options.version / "metadata.json").read_text(encoding="utf-8"))
    *_, height, width, channels = facts["signatures"]["encode"]["inputs"]["images"]["shape"]
    interpreter = Interpreter(str(options.version / "lite" / f"encode_{options.variant}.tflite"))
    answer = encode(interpreter, picture(options.picture, height, width, channels))
    said = {name: values[0].tolist() for name, values in answer.items()}
    classes = facts.get("classes") or list(facts.get("class_names", {}).values())[0:1]
    if "probabilities" in answer and classes:
        names = classes[0] if isinstance(classes[0], list) else classes
        said["class"] = names[int(np.argmax(answer["probabilities"][0]))]
    print(json.dumps(said))


def picture(path: pathlib.Path, height: int, width: int, channels: int) -> np.ndarray:
    """A file as float32 [1, height, width, channels] in [0, 1], stretched to the sides that the model knows."""
    image = PIL.Image.open(path).convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), PIL.Image.Resampling.BOX)
    return np.asarray(image, np.float32).reshape(1, height, width, channels) / 255


def encode(interpreter: Interpreter, images: np.ndarray) -> dict[str, np.ndarray]:
    """Runs the signature `encode`; int8 files take and give whole numbers, with a scale and a zero of their own."""
    runner = interpreter.get_signature_runner("encode")
    detail = runner.get_input_details()["images"]
    if detail["dtype"] == np.int8:
        scale, zero = detail["quantization"]
        images = np.clip(np.round(images / scale) + zero, -128, 127).astype(np.int8)
    answer = runner(images=images)
    for name, detail in runner.get_output_details().items():
        if detail["dtype"] == np.int8:
            scale, zero = detail["quantization"]
            answer[name] = (answer[name].astype(np.float32) - zero) * scale
    return answer


if __name__ == "__main__":
    main()
