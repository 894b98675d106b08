// The run's LiteRT models, run by LiteRT.js on this machine's processor.
import { Environment, Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";
import { giveBinary } from "./interpreter.js";
import { unpacked } from "./packed.js";

const functions = new Map();
let last = Promise.resolve();

// Of all functions of the page: name -> {inputs: name -> shape, outputs: names}.
export async function load(described) {
  giveBinary(await unpacked("litert"));
  // Without a graphics processor: models are small, and asking for one takes longer than running them.
  Environment.create = () => new Environment({ webGpuDevice: null });
  // The browser compiles on a thread of its own while models are unpacked.
  const loaded = loadLiteRt("litert.js");
  const files = Object.keys(described).map(async (name) => [name, await unpacked(`model-${name}`)]);
  await loaded;
  for (const [name, bytes] of await Promise.all(files)) {
    functions.set(name, { model: await loadAndCompile(bytes, { accelerator: "wasm" }), ...described[name] });
  }
}

// Runs a function on one row: {input: Float32Array} -> {output: Float32Array}. One at a time, in order.
export function run(name, inputs) {
  const answer = last.then(() => answered(name, inputs));
  last = answer.catch(() => {});
  return answer;
}

async function answered(name, inputs) {
  const { model, inputs: shapes } = functions.get(name);
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
