import type { ConfigInput } from '../../config/schema.ts'
import type { Section, SectionName } from './section.ts'
import { address } from './sections/address.ts'
import { backup } from './sections/backup.ts'
import { chain } from './sections/chain.ts'
import { existing } from './sections/existing.ts'
import { hypervisor } from './sections/hypervisor.ts'
import { network } from './sections/network.ts'
import { people } from './sections/people.ts'
import { plans } from './sections/plans.ts'
import { template } from './sections/template.ts'
import { tls } from './sections/tls.ts'
import { uplink } from './sections/uplink.ts'

/** The pages that ask, in order: what later ones are checked against comes first. */
export const sections: readonly Section[] = [
  uplink,
  address,
  tls,
  chain,
  existing,
  people,
  hypervisor,
  network,
  template,
  plans,
  backup,
]

/** Those that this installation asks. */
export function sectionsAsked(base: Partial<ConfigInput>): readonly Section[] {
  return sections.filter((section) => section.asked?.(base) ?? true)
}

/** The section of a name. Throws TypeError for a name that no route lets through. */
export function sectionOf(name: SectionName): Section {
  const found = sections.find((section) => section.name === name)
  if (found === undefined) throw new TypeError(`no section ${name}`)
  return found
}
