"""What is said of a published version: metadata.json for programs, MODEL_CARD.md for people."""

import hashlib
import pathlib


def metadata(model, folder, context: dict, parity: list, max_batch: int) -> dict:
    """Everything a user of the files needs to know.

    Args:
      model: the Keras model.
      folder: the version being built.
      context: config, step, evaluation and environment of the run.
      parity: entries of the gate.
      max_batch: limit built into the graph.
    """
    signatures = {}
    for name, signature in model.signatures().items():
        signatures[name] = {
            "inputs": {
                key: {"shape": [-1 if side is None else side for side in spec.shape], "dtype": spec.dtype.name}
                for key, spec in signature.inputs.items()
            },
            "limits": {key: list(limits) for key, limits in signature.ranges.items()},
        }
    variables = pathlib.Path(folder) / "variables" / "variables.data-00000-of-00001"
    return {
        **context,
        "signatures": signatures,
        "max_batch": max_batch,
        "images": "float32 in [0, 1]",
        "parameters": int(sum(v.shape.num_elements() for v in (variable.value for variable in model.variables))),
        # The graph file differs between two exports of the same weights; the variables do not.
        "variables_sha256": hashlib.sha256(variables.read_bytes()).hexdigest(),
        "parity": parity,
    }


def model_card(name: str, content: dict) -> str:
    """The card as Markdown, from the metadata."""
    config, numbers = content["config"], content.get("evaluation") or {}
    lines = [
        f"# {name}",
        "",
        f"Family `{config['model']['family']}`, {content['parameters']:,} parameters, trained {content['step']:,} "
        f"steps on `{config['data']['source']}` (seed {config['seed']}). Written by reverie {content['reverie']}.",
        "",
        "## Use",
        "",
        f"Images are {content['images']}, at most {content['max_batch']} a request. Signatures:",
        "",
        "| signature | inputs |",
        "|---|---|",
    ]
    for signature, detail in content["signatures"].items():
        inputs = ", ".join(f"`{key}` {value['dtype']} {value['shape']}" for key, value in detail["inputs"].items())
        lines.append(f"| `{signature}` | {inputs} |")
    vocabulary = [f"`{name}`: {', '.join(values)}" for name, values, _ in config["model"].get("attributes") or []]
    meanings = [f"{label} is {meaning}" for label, meaning in enumerate(content.get("classes") or [])]
    lines += [
        "| `encode_bytes` | `image_bytes` string [-1]: PNG or JPEG files |",
        "| `serving_default` | as `encode` |",
        "",
        *([f"Labels are numbered in the order of learning: {', '.join(meanings)}.", ""] if meanings else []),
        *(
            [
                "Entries of a symbol, in this order, 1 where named:",
                "",
                *(f"- {line}" for line in vocabulary),
                "",
                "Operators: 0 AND, 1 IN COMMON, 2 IGNORE.",
                "",
            ]
            if vocabulary
            else []
        ),
        "LiteRT files, if any, lie in `lite/`. A SavedModel is a program: load only files you trust.",
        "",
        "## Measured",
        "",
    ]
    if numbers:
        lines += ["| on test images | |", "|---|---|"]
        lines += [f"| {key} | {value:.6g} |" for key, value in numbers.items() if isinstance(value, int | float)]
    else:
        lines.append("Not evaluated: run `reverie evaluate` before `reverie export` to have numbers here.")
    lines += [
        "",
        "## Agreement with the Keras model",
        "",
        "| artifact | signature | output | greatest difference | bound |",
        "|---|---|---|---|---|",
    ]
    for entry in content["parity"]:
        lines.append(
            f"| {entry['artifact']} | {entry['signature']} | {entry['output']} "
            f"| {entry['difference']:.2e} | {entry['bound']:.2e} |"
        )
    lines += [
        "",
        "## Limits",
        "",
        "Measured on the data named above only; other images, other cameras or other populations were not tested. "
        "Generated images imitate the training images and carry their biases.",
        "",
    ]
    return "\n".join(lines)
