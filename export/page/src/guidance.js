// A concept meant more than once: its Gaussian counted several times against the prior; see models/guidance.py.
export function guided({ mean, log_variance }, guidance) {
  const known = Array.from(log_variance, (value) => (guidance === 1 ? 0 : Math.min(value, 0)));
  const times = known.map((value) => 1 - (guidance - 1) * Math.expm1(value));
  const precisions = known.map((value, k) => 1 + times[k] * Math.expm1(-value));
  return {
    mean: Array.from(mean, (value, k) =>
      known[k] < 0 ? (times[k] * Math.exp(-known[k]) * value) / precisions[k] : value,
    ),
    deviation: Array.from(log_variance, (value, k) =>
      known[k] < 0 ? 1 / Math.sqrt(precisions[k]) : Math.exp(0.5 * value),
    ),
  };
}
