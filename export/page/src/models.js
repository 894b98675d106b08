// The run's LiteRT models, run by LiteRT.js on this machine's processor.
import { Environment, Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";
import { giveBinary } from "./interpreter.js";
import { unpacked } from "./packed.js";

const functions = new Map();
let last = Promise.resolve();

// Of all functions of the page: name -> {inputs: name -> shape, later: whether it is unpacked when it is first run}.
export async function load(described) {
  giveBinary(await unpacked("litert"));
  // Without a graphics processor: models are small, and asking for one takes longer than running them.
  Environment.create = () => new Environment({ webGpuDevice: null });
  // The browser compiles on a thread of its own while models are unpacked.
  const loaded = loadLiteRt("litert.js");
  const files = new Map();
  for (const [name, { later }] of Object.entries(described)) {
    if (!later) files.set(name, unpacked(`model-${name}`));
  }
  await loaded;
  for (const [name, { inputs }] of Object.entries(described)) {
    let compiled = null;
    const model = () => (compiled ??= compile(files.get(name) ?? unpacked(`model-${name}`)));
    functions.set(name, { model, inputs });
    if (files.has(name)) await model();
  }
}

async function compile(file) {
  return loadAndCompile(await file, { accelerator: "wasm" });
}

// Runs a function on one row: {input: Float32Array} -> {output: Float32Array}. One at a time, in order.
export function run(name, inputs) {
  const answer = last.then(() => answered(name, inputs));
  last = answer.catch(() => {});
  return answer;
}

async function answered(name, inputs) {
  const { model: compiled, inputs: shapes } = functions.get(name);
  const model = await compiled();
  const given = {};
  for (const [key, shape] of Object.entries(shapes)) given[key] = new Tensor(Float32Array.from(inputs[key]), shape);
  try {
    const made = await model.run(name, given);
    const outputs = {};
    for (const [key, tensor] of Object.entries(made)) {
      outputs[key] = await tensor.data();
      tensor.delete();
    }
    return outputs;
  } finally {
    for (const tensor of Object.values(given)) tensor.delete();
  }
}
