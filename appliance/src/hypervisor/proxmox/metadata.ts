import { markOf, parseMark, type VmKey } from '../../chain/installation.ts'
import { metadataText, parseMetadata, type Metadata } from '../libvirt/metadata.ts'
import { domainNameOf } from '../names.ts'

/** What makes a VM ours beside its id, and what finds templates. */
export const ourTag = 'freehold'

/** What the description of a VM of ours says. */
export interface Described {
  metadata: Metadata
  /** The id that it was made under: a copy of a VM has another one, and is not ours. */
  vmid: number
  /** False until disk, seed, network and firewall are complete. */
  whole: boolean
}

/** The server takes no longer description. Source: its schema. */
const mostCharacters = 8192

/** The description of a VM: the mark alone on line 1, a word to whoever reads it, the facts as JSON on the last line. */
export function descriptionOf({ metadata, vmid, whole }: Described): string {
  const facts = JSON.stringify({ vmid, whole, metadata: JSON.parse(metadataText(metadata)) as unknown })
  const text = `${markOf(metadata.key)}\n\nMade and kept by Freehold, which needs these lines as they are.\n\n${facts}`
  if (text.length > mostCharacters) throw new RangeError('the facts of this VM do not fit into its description')
  return text
}

/** Undefined for anything that is not whole and not of this VM: line 1, JSON and name must agree, and the id must be its own. */
export function parseDescription(
  text: string | undefined,
  is: { vmid: number; name: string | undefined },
): Described | undefined {
  const lines = (text ?? '').trim().split('\n')
  const key = parseMark(lines[0] ?? '')
  if (key === undefined || is.name !== domainNameOf(key)) return undefined
  try {
    const facts = JSON.parse(lines.at(-1) ?? '') as { vmid?: unknown; whole?: unknown; metadata?: unknown }
    const metadata = parseMetadata(JSON.stringify(facts.metadata))
    if (metadata === undefined || !sameKey(metadata.key, key) || facts.vmid !== is.vmid) return undefined
    return { metadata, vmid: is.vmid, whole: facts.whole === true }
  } catch {
    return undefined
  }
}

export function sameKey(a: VmKey, b: VmKey): boolean {
  return a.installation === b.installation && a.tokenId === b.tokenId && a.generation === b.generation
}

/** What the description of a template says. */
export interface DescribedTemplate {
  sha256: string
  sizeBytes: number
  virtualSizeBytes: number
}

export function templateNameOf(sha256: string): string {
  return `fh-template-${sha256.slice(0, 12)}`
}

export function templateDescription(template: DescribedTemplate): string {
  return `freehold-template:${template.sha256}\n\nA template of Freehold.\n\n${JSON.stringify(template)}`
}

export function parseTemplateDescription(text: string | undefined): DescribedTemplate | undefined {
  const lines = (text ?? '').trim().split('\n')
  const sha256 = /^freehold-template:([0-9a-f]{64})$/.exec(lines[0] ?? '')?.[1]
  if (sha256 === undefined) return undefined
  try {
    const facts = JSON.parse(lines.at(-1) ?? '') as Partial<DescribedTemplate>
    if (facts.sha256 !== sha256 || typeof facts.sizeBytes !== 'number' || typeof facts.virtualSizeBytes !== 'number')
      return undefined
    return { sha256, sizeBytes: facts.sizeBytes, virtualSizeBytes: facts.virtualSizeBytes }
  } catch {
    return undefined
  }
}

/** Whether `tags` holds our tag. */
export function hasOurTag(tags: string | undefined): boolean {
  return (tags ?? '').split(/[;, ]+/).includes(ourTag)
}
