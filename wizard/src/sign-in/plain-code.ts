/** A code as the API takes it: dash, blanks and case ignored, O and 0, I, L and 1 alike (PROTOCOL.md). */
export function plainCode(text: string): string {
  return text
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
}
