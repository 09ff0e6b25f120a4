import type { Section, SectionName } from './section.ts'
import { address } from './sections/address.ts'
import { chain } from './sections/chain.ts'
import { hypervisor } from './sections/hypervisor.ts'
import { network } from './sections/network.ts'
import { people } from './sections/people.ts'
import { plans } from './sections/plans.ts'
import { template } from './sections/template.ts'

/** The pages that ask, in order: what later ones are checked against comes first. */
export const sections: readonly Section[] = [address, chain, people, hypervisor, network, template, plans]

/** The section of a name. Throws TypeError for a name that no route lets through. */
export function sectionOf(name: SectionName): Section {
  const found = sections.find((section) => section.name === name)
  if (found === undefined) throw new TypeError(`no section ${name}`)
  return found
}
