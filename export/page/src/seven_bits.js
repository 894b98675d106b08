// Bytes as text that HTML keeps as it is, seven bits a character; see export/seven_bits.py.

// Values whose characters HTML would change, or end a script by, in the order of the characters that stand for them.
const CHANGED = [0, 10, 13, 60];
const INSTEAD = 0xa1;

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
