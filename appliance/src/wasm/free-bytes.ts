/**
 * Gives the memory of bytes back at once; they are empty afterwards. What lies outside the heap is otherwise freed by a collection
 * of the whole heap, and a few megabytes a call order one every few calls: tens of milliseconds in which nobody is answered.
 * Nothing where others share the buffer.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength === bytes.byteLength) buffer.transfer(0)
}
