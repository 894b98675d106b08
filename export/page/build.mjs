// Bundles the page: page.js and page.css, and the interpreter's WebAssembly beside them.
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2] ?? "dist";
const core = "node_modules/@litertjs/core";

// The interpreter is compiled twice: with relaxed SIMD, which some browsers lack, and without. A page of one file has
// room for one, so it is the one that runs everywhere.
const interpreter = `${core}/wasm/litert_wasm_compat_internal`;

// LiteRT.js loads its interpreter by the address of a script. Here both are part of one script.
const inOneFile = {
  name: "in-one-file",
  setup(build) {
    build.onResolve({ filter: /^@litertjs\/wasm-utils$/ }, () => ({ path: `${process.cwd()}/src/interpreter.js` }));
    build.onResolve({ filter: /^litert-wasm$/ }, () => ({ path: `${process.cwd()}/${interpreter}.js` }));
    // What the interpreter would need under Node.
    build.onResolve({ filter: /^node:/ }, (found) => ({ path: found.path, namespace: "nothing" }));
    build.onLoad({ filter: /.*/, namespace: "nothing" }, () => ({ contents: "export default {}" }));
  },
};

const licenses = [`${core}/package.json`, "node_modules/xz-decompress/package.json"].map(async (path) => {
  const { name, version, license } = JSON.parse(await readFile(path, "utf8"));
  return `${name} ${version} (${license})`;
});
await build({
  entryPoints: { page: "src/main.js" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  platform: "browser",
  legalComments: "none",
  banner: { js: `/* reverie; holds ${(await Promise.all(licenses)).join(", ")} */` },
  plugins: [inOneFile],
  logLevel: "warning",
});
await copyFile("src/page.css", `${out}/page.css`);
await copyFile(`${interpreter}.wasm`, `${out}/litert.wasm`);
const { version } = JSON.parse(await readFile(`${core}/package.json`, "utf8"));
await writeFile(`${out}/built.json`, JSON.stringify({ litert: version }) + "\n");
