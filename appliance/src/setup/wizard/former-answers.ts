import { loadConfig } from '../../config/load.ts'
import { sectionOf } from './sections.ts'
import type { Wizard } from './wizard-service.ts'

/**
 * Fills the draft from the configuration of a restored backup, page by page, as far as each is still valid here; what a person
 * has answered meanwhile stays. The machine's own network is asked anew: it may be another machine.
 */
export async function fillFromFormer(wizard: Pick<Wizard, 'view' | 'answer'>, formerConfig: string): Promise<void> {
  const config = await loadConfig(formerConfig).catch(() => undefined)
  if (config === undefined) return
  for (const { name, revision } of (await wizard.view()).sections) {
    if (revision > 0 || name === 'uplink') continue
    const value = Object.fromEntries(sectionOf(name).fields.map((field) => [field, config[field]]))
    // an answer that does not fit this installation is asked for, like any other
    await wizard.answer(name, value, 0).catch(() => undefined)
  }
}
