"""What is said of a published version: metadata.json for programs, MODEL_CARD.md for people."""

import hashlib
import html
import pathlib
import re
from collections.abc import Sequence

import tensorflow as tf

from ..models import limits
from ..models.signature import Signature
from .graph_loader import definitions
from .parity import Agreement, LeftOut
from .provenance import Provenance


def metadata(
    model,
    folder,
    signatures: dict[str, Signature],
    provenance: Provenance,
    agreements: Sequence[Agreement],
    left_out: Sequence[LeftOut],
    max_batch: int,
) -> dict:
    """Everything a user of the files needs to know.

    Args:
      model: the Keras model.
      folder: the version being built, its SavedModel written.
      signatures: every endpoint of it by name.
      provenance: of the run that trained the model.
      agreements: what the gate measured.
      left_out: the files that it kept out.
      max_batch: limit built into the graph.

    Returns:
      The content of metadata.json: that of `Provenance.to_dict`, and of every signature the inputs and outputs
      (name -> shape, -1 where any, and type), the limits (least and greatest value of an input; sizes of the parts of
      a row that each sum to 1), the meaning, how many times it enlarges rounding, and whether a server may batch it.
    """
    written = definitions(folder)
    variables = pathlib.Path(folder) / "variables" / "variables.data-00000-of-00001"
    return {
        **provenance.to_dict(),
        "signatures": {
            name: {
                "meaning": signature.meaning,
                "inputs": {
                    key: {"shape": [-1 if side is None else side for side in spec.shape], "dtype": spec.dtype.name}
                    for key, spec in signature.inputs.items()
                },
                "outputs": _tensors(written[name].outputs),
                "limits": {key: list(limit) for key, limit in signature.ranges.items()},
                "sums": {key: list(sizes) for key, sizes in signature.sums.items()},
                "amplification": signature.amplification,
                "batchable": signature.batchable,
            }
            for name, signature in signatures.items()
        },
        "max_batch": max_batch,
        "images": "float32 in [0, 1]",
        "parameters": int(sum(v.shape.num_elements() for v in (variable.value for variable in model.variables))),
        # The graph file differs between two exports of the same weights; the variables do not.
        "variables_sha256": hashlib.sha256(variables.read_bytes()).hexdigest(),
        "parity": [agreement.to_dict() for agreement in agreements],
        "left_out": [entry.to_dict() for entry in left_out],
    }


def model_card(name: str, content: dict) -> str:
    """The card as Markdown.

    Args:
      name: of the model on the server.
      content: from `metadata`.
    """
    config, numbers = content["config"], content.get("evaluation") or {}
    lines = [
        f"# {_plain(name)}",
        "",
        f"Family `{config['model']['family']}`, {content['parameters']:,} parameters, trained {content['step']:,} "
        f"steps on {_plain(config['data']['source'])} (seed {config['seed']}). Written by reverie "
        f"{content['reverie']}.",
        "",
        "## Use",
        "",
        f"Images are {content['images']}, at most {content['max_batch']} a request. Signatures:",
        "",
        "| signature | inputs | outputs | a server may batch it | |",
        "|---|---|---|---|---|",
    ]
    for signature, detail in content["signatures"].items():
        inputs, outputs = _listed(detail["inputs"]), _listed(detail["outputs"])
        batchable = "yes" if detail["batchable"] else "no"
        lines.append(f"| `{signature}` | {inputs} | {outputs} | {batchable} | {detail['meaning']} |")
    lines += ["", f"Admitted, everything else is refused: {_admitted(content)}.", ""]
    if not all(detail["batchable"] for detail in content["signatures"].values()):
        lines += [
            "A server that batches joins requests along their rows. Those of a signature marked no are not to be "
            "batched: a count, a seed, a task or a list of neurons is a whole request's. Of what draws there is a "
            "signature of its own, `..._each`, which takes a seed a row and may be batched.",
            "",
        ]
    if content["legend"]:
        lines += [*(_plain(line) for line in content["legend"]), ""]
    lines += [
        "A valid request of every signature, as REST takes it, is in `assets.extra/examples.json`. "
        "LiteRT files, if any, lie in `lite/`. A SavedModel is a program: load only files you trust.",
        "",
        "## Measured",
        "",
    ]
    if numbers:
        lines += ["| on test images | |", "|---|---|"]
        lines += [
            f"| {_plain(key)} | {value:.6g} |" for key, value in numbers.items() if isinstance(value, int | float)
        ]
    else:
        lines.append("Not evaluated: run `reverie evaluate` before `reverie export` to have numbers here.")
    lines += [
        "",
        "## Agreement with the Keras model",
        "",
        "Greatest is the greatest absolute difference, typical the root mean square, rows the share of rows in which a "
        "whole number differs. Quantized files may differ by twice what rounding must cost.",
        "",
        "| artifact | signature | output | | difference | rounding must cost | bound |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in content["parity"]:
        lines.append(
            f"| {entry['artifact']} | {entry['signature']} | {entry['output']} | {entry['measure']} "
            f"| {entry['difference']:.2e} | {entry['cost']:.2e} | {entry['bound']:.2e} |"
        )
    if content["left_out"]:
        lines += ["", "Left out, because they do not answer as the model does:", ""]
        lines += [
            f"- `{entry['artifact']}` ({entry['signature']}): {_plain(entry['reason'])}"
            for entry in content["left_out"]
        ]
    lines += [
        "",
        "## Limits",
        "",
        "Measured on the data named above only; other images, other cameras or other populations were not tested. "
        "Generated images imitate the training images and carry their biases.",
        "",
    ]
    return "\n".join(lines)


def _admitted(content: dict) -> str:
    """The limits of all signatures, each input once: they mean the same everywhere."""
    said = {"`count`": f"values from 1 to {content['max_batch']}"}
    for detail in content["signatures"].values():
        said |= {f"`{key}`": limits.range_of(limit) for key, limit in detail["limits"].items()}
        for key, sizes in detail["sums"].items():
            said[f"`{key}`"] += f", {limits.sum_of(sizes)}"
    if not any("count" in detail["inputs"] for detail in content["signatures"].values()):
        del said["`count`"]
    return "; ".join(f"{key} {expected}" for key, expected in said.items())


def _tensors(infos) -> dict[str, dict]:
    return {
        key: {"shape": [side.size for side in info.tensor_shape.dim], "dtype": tf.dtypes.as_dtype(info.dtype).name}
        for key, info in sorted(infos.items())
    }


def _listed(tensors: dict[str, dict]) -> str:
    return ", ".join(f"`{key}` {tensor['dtype']} {tensor['shape']}" for key, tensor in tensors.items())


def _plain(text: str) -> str:
    """A line of text that came from outside (names of folders, words of a table), which no page takes for markup."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    item, rest = ("- ", line[2:]) if line.startswith("- ") else ("", line)
    # Markdown's own: emphasis, code, links and pictures, cells of a table, headings and lists where a line begins, and
    # addresses that a page would make links of.
    rest = re.sub(r"([\\`*_\[\]|~])", r"\\\1", rest).replace("://", "\\://")
    return item + re.sub(r"^([#+=-])", r"\\\1", rest)
