// Random numbers that a seed says.

// Mulberry32: uniform in [0, 1).
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Standard normal numbers, by Box and Muller.
export function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

// A draw from a Gaussian {mean, deviation} or {mean, scale}, the latter a lower triangular matrix.
export function drawn({ mean, deviation, scale }, normal) {
  const noise = mean.map(() => normal());
  if (deviation) return Float32Array.from(mean, (value, k) => value + deviation[k] * noise[k]);
  return Float32Array.from(mean, (value, k) => scale[k].reduce((sum, s, j) => sum + s * noise[j], value));
}
