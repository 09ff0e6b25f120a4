import { createHash } from 'node:crypto'
import { z } from 'zod'
import { markOf, type VmKey } from '../../chain/installation.ts'
import type { VmFacts, VmRecord, VmSpec } from '../port.ts'

export const metadataNamespace = 'urn:freehold:vm:1'

/** UUID v5 (RFC 9562 §5.5) of the mark, in the URL namespace. */
export function uuidOf(key: VmKey): string {
  const namespace = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex')
  const bytes = createHash('sha1').update(namespace).update(markOf(key)).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const schema = z.object({
  installation: z.string().regex(/^[0-9a-f]{12}$/),
  tokenId: z.string().regex(/^(0|[1-9][0-9]{0,77})$/),
  generation: z.number().int().min(1),
  spec: z.object({
    vcpus: z.number().int(),
    memoryMiB: z.number().int(),
    diskGiB: z.number().int(),
    addresses: z.object({ ipv4: z.string().nullable(), ipv6: z.string().nullable(), sshPort: z.number().int().nullable() }),
    mac: z.string(),
    template: z.string(),
    origin: z.object({ buyer: z.string(), boughtBlock: z.number().int() }),
  }),
  facts: z.object({ hostKey: z.object({ fingerprint: z.string(), publicKey: z.string() }).nullable(), activating: z.boolean() }),
  snapshots: z.array(z.string()),
})

/** What our element in the domain's metadata says. */
export interface Metadata {
  key: VmKey
  spec: VmRecord['spec']
  facts: VmFacts
  /** At most one. */
  snapshots: readonly string[]
}

export function metadataOf(spec: VmSpec): Metadata {
  const { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin } = spec
  return {
    key: spec.key,
    spec: { vcpus, memoryMiB, diskGiB, addresses, mac, template, origin },
    facts: { hostKey: null, activating: false },
    snapshots: [],
  }
}

export function metadataText({ key, spec, facts, snapshots }: Metadata): string {
  return JSON.stringify({
    installation: key.installation,
    tokenId: key.tokenId.toString(),
    generation: key.generation,
    spec,
    facts,
    snapshots,
  })
}

/** Undefined if the text is not ours: such a domain is foreign. */
export function parseMetadata(text: string): Metadata | undefined {
  try {
    const { installation, tokenId, generation, spec, facts, snapshots } = schema.parse(JSON.parse(text))
    return { key: { installation, tokenId: BigInt(tokenId), generation }, spec, facts, snapshots }
  } catch {
    return undefined
  }
}
