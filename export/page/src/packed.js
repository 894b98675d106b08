// What the page carries packed: xz or gzip as text, in script elements of a type that no browser runs.
import { XzReadableStream } from "xz-decompress";
import { asBytes } from "./seven_bits.js";

export function json(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

export async function unpacked(id) {
  const element = document.getElementById(id);
  const text = element.textContent;
  element.remove(); // The text is as long as the bytes; nothing reads it again.
  const packed = new Blob([asBytes(text)]).stream();
  const stream =
    element.type === "application/gzip"
      ? packed.pipeThrough(new DecompressionStream("gzip"))
      : new XzReadableStream(packed);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
