import { createHash, X509Certificate } from 'node:crypto'

/** SHA-256 of a certificate as browsers and `openssl x509 -fingerprint` write it: `AA:BB:…`, 95 characters (W3). */
export function fingerprintOf(certificatePem: string): string {
  const digest = createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('hex').toUpperCase()
  return digest.match(/../g)?.join(':') ?? ''
}
