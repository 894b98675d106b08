// What the page carries packed: base64 of xz or gzip, in script elements of a type that no browser runs.
import { XzReadableStream } from "xz-decompress";

export function json(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

export async function unpacked(id) {
  const element = document.getElementById(id);
  const text = element.textContent;
  element.remove(); // The text is as long as the bytes; nothing reads it again.
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : fromBase64(text);
  const packed = new Blob([bytes]).stream();
  const stream =
    element.type === "application/gzip"
      ? packed.pipeThrough(new DecompressionStream("gzip"))
      : new XzReadableStream(packed);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  const found = atob(text);
  const bytes = new Uint8Array(found.length);
  for (let k = 0; k < found.length; k++) bytes[k] = found.charCodeAt(k);
  return bytes;
}
