// Stands in for @litertjs/wasm-utils: the interpreter is in this script already, its WebAssembly in this page.
import ModuleFactory from "litert-wasm";

let binary = null;

export function giveBinary(bytes) {
  binary = bytes;
}

export async function createWasmLib(Library) {
  const said = (text) => console.debug(text); // What it prints is no warning to whoever uses the page.
  const module = await ModuleFactory({ wasmBinary: binary, print: said, printErr: said });
  binary = null;
  return new Library(module);
}
