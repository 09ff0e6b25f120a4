/** What a pasted text is: a signature, a slip worth naming, or nothing we know. Pure. */
export function readSignature(text: string): { signature: string } | { wrong: 'key' | 'form' } {
  // terminals wrap long lines, tools put quotes around
  const plain = text.replaceAll(/\s+/g, '').replace(/^"|"$/g, '')
  // 32 bytes in hexadecimal: nothing that signs gives this, and the worst thing to paste
  if (/^(0x)?[0-9a-fA-F]{64}$/.test(plain)) return { wrong: 'key' }
  if (/^0x([0-9a-fA-F]{2}){33,10000}$/.test(plain)) return { signature: plain }
  return { wrong: 'form' }
}
