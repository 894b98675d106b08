// A concept meant more than once: its Gaussian counted several times against the prior; see models/guidance.py.
export function guided({ mean, log_variance }, guidance) {
  const narrow = Array.from(log_variance, (value) => guidance !== 1 && value < 0);
  const precisions = Array.from(log_variance, (value, k) =>
    narrow[k] ? 1 + guidance * (Math.exp(-value) - 1) : Math.exp(-value),
  );
  return {
    mean: Array.from(mean, (value, k) =>
      narrow[k] ? (guidance * Math.exp(-log_variance[k]) * value) / precisions[k] : value,
    ),
    deviation: precisions.map((precision) => 1 / Math.sqrt(precision)),
  };
}
