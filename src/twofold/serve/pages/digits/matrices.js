// Matrices as the server sends them: a shape, and 32-bit numbers in base64.

export function matrix({ shape: [rows, columns], data }) {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0)), view = new DataView(bytes.buffer);
  const values = Float32Array.from({ length: rows * columns }, (_, i) => view.getFloat32(4 * i, true));
  return { rows, columns, values, row: (i) => values.subarray(i * columns, (i + 1) * columns) };
}

/** A network: matrices of weights [out, in], biases, and what it says of itself. */
export const unpack = (sent) => sent && { ...sent, weights: sent.weights.map(matrix) };
