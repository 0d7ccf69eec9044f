// Matrices as the server sends them: a shape, and 32-bit numbers in base64.

export function matrix({ shape: [rows, columns], data }) {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0)), view = new DataView(bytes.buffer);
  const values = Float32Array.from({ length: rows * columns }, (_, i) => view.getFloat32(4 * i, true));
  const row = (i) => values.subarray(i * columns, (i + 1) * columns);
  return { rows, columns, values, row, sums: () => Array.from({ length: rows }, (_, i) => row(i).reduce((sum, value) => sum + value)) };
}

/** A network: matrices of weights, biases, and what it says of itself. */
export const unpack = (sent) => ({ ...sent, weights: sent.weights.map(matrix) });

/** A look at an example, with the gradient of its cost where that was asked for. */
export function unpackLook(sent) {
  const { gradient } = sent;
  return { ...sent, maps: sent.maps.map(matrix), gradient: gradient && { ...unpack(gradient), maps: gradient.maps.map(matrix) } };
}
