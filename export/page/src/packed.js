// What the page carries packed: xz or gzip as text (export/seven_bits.py), in script elements of a type that no browser
// runs.
import { XzReadableStream } from "xz-decompress";

// Values whose characters HTML would change, or end a script by, in the order of the characters that stand for them.
const CHANGED = [0, 10, 13, 60];
const INSTEAD = 0xa1;

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

// Seven bits a character, from the highest bit of the first byte.
export function asBytes(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 7) / 8));
  let held = 0;
  let bits = 0;
  let place = 0;
  for (let k = 0; k < text.length; k++) {
    const code = text.charCodeAt(k);
    held = ((held << 7) | (code < INSTEAD ? code : CHANGED[code - INSTEAD])) & 0x7fff;
    bits += 7;
    if (bits >= 8) {
      bits -= 8;
      bytes[place++] = held >> bits;
    }
  }
  return bytes;
}
