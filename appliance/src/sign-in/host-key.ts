import { createHash } from 'node:crypto'

/** A guest's Ed25519 host key: the line without comment, and the fingerprint as `ssh-keygen -l` prints it. */
export interface HostKey {
  publicKey: string
  fingerprint: string
}

/** Reads one line as OpenSSH writes it; undefined unless it is exactly an Ed25519 key. Source: RFC 8709 §4, RFC 4251 §5. */
export function parseHostKey(line: string): HostKey | undefined {
  const base64 = /^ssh-ed25519 ([A-Za-z0-9+/]{68})(?: [\x20-\x7e]{0,200})?$/.exec(line)?.[1]
  if (base64 === undefined) return undefined
  const blob = Buffer.from(base64, 'base64')
  const head = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32])])
  if (blob.length !== head.length + 32 || !blob.subarray(0, head.length).equals(head)) return undefined
  const digest = createHash('sha256').update(blob).digest('base64').replaceAll('=', '')
  return { publicKey: `ssh-ed25519 ${base64}`, fingerprint: `SHA256:${digest}` }
}
