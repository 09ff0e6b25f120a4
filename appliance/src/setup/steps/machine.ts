import { AppError } from '../../errors/app-error.ts'
import type { Hypervisor } from '../../hypervisor/port.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { plansFit } from '../plans-fit.ts'
import { noteMade, noteOf } from '../undo-notes.ts'

/** The pool of disks is there and can be read: the hypervisor makes it and marks it. */
export const storage: Step<SetupContext> = {
  name: 'storage',
  estimateSeconds: 2,
  async check({ hypervisor }) {
    await (await hypervisor()).list()
    return true
  },
  async run({ hypervisor }) {
    await (await hypervisor()).list()
  },
  /** A storage that setup made and that is empty goes; one that holds anything stays as it is. */
  async undo({ discardStorage }, io) {
    if (await discardStorage()) io.log('the empty storage is gone')
  },
}

/** The hypervisor answers and was proven to boot a guest. */
export const hypervisorStep: Step<SetupContext> = {
  name: 'hypervisor',
  estimateSeconds: 8,
  check: async () => false,
  async run({ hypervisor }, io) {
    io.progress('probing')
    const capabilities = await (await hypervisor()).capabilities()
    io.log(`${capabilities.name}, acceleration ${capabilities.acceleration}, isolation ${capabilities.isolation ? 'yes' : 'no'}`)
  },
}

/** A node that joined, or was down at the import, lacks the image that others have. */
async function isEverywhere(driver: Pick<Hypervisor, 'templates'>, sha256: string): Promise<boolean> {
  return (await driver.templates()).some((t) => t.sha256 === sha256 && t.missingOn === undefined)
}

/** The guest image is in the store under the hash of its content. */
export const template: Step<SetupContext> = {
  name: 'template',
  estimateSeconds: 300,
  async check({ answers, hypervisor, journal }) {
    const wanted = answers.template.sha256 ?? ((await journal.get('template')) as string | undefined)
    // a recipe that changed builds another image: only a pinned one is surely the wanted one
    if (wanted === undefined || answers.template.sha256 === undefined) return false
    return await isEverywhere(await hypervisor(), wanted)
  },
  async run({ answers, hooks, hypervisor, journal }, io) {
    const driver = await hypervisor()
    const named = answers.template.image
    if (named !== undefined && answers.template.sha256 === undefined) {
      throw new AppError({
        code: 'config-invalid',
        detail: 'template.image has no template.sha256 beside it.',
        hint: 'Add the SHA-256 of the image.',
      })
    }
    let image: { path: string; sha256: string }
    if (named !== undefined && answers.template.sha256 !== undefined) image = { path: named, sha256: answers.template.sha256 }
    else if (hooks.buildTemplate !== undefined) image = await hooks.buildTemplate(io)
    else
      throw new AppError({
        code: 'template-missing',
        detail: 'The answers name no guest image.',
        hint: 'Set template.image and template.sha256.',
      })
    io.progress('importing')
    if (!(await isEverywhere(driver, image.sha256))) {
      if (!(await driver.templates()).some((t) => t.sha256 === image.sha256)) await noteMade(journal, 'template', image.sha256)
      await driver.importTemplate(image, { signal: io.signal, progress: io.progress })
    }
    await journal.put('template', image.sha256)
    io.log(`template ${image.sha256.slice(0, 12)}`)
  },
  /** Images that setup brought and that no disk refers to leave the store. */
  async undo({ hypervisor, journal }, io) {
    const brought = (await noteOf(journal, 'template')) ?? []
    if (brought.length === 0) return
    const driver = await hypervisor()
    for (const { sha256, usedBy } of await driver.templates()) {
      if (usedBy > 0 || !brought.includes(sha256)) continue
      await driver.removeTemplate(sha256)
      io.log(`template ${sha256.slice(0, 12)} left the store`)
    }
  },
}

/** The plans fit the host: the answers are checked before anything is written on chain. */
export const plans: Step<SetupContext> = {
  name: 'plans',
  estimateSeconds: 1,
  check: async () => false,
  async run({ answers, hypervisor }, io) {
    const capacity = await (await hypervisor()).capacity()
    for (const plan of answers.plans) {
      if (plan.kind === 'wasm' && !answers.wasm.enabled)
        throw new AppError({
          code: 'not-supported',
          detail: `This host does not serve the plan ${plan.name} of kind wasm.`,
          hint: 'Leave it out.',
        })
    }
    plansFit(answers.plans, capacity)
    io.log(`${answers.plans.length} plans fit`)
  },
}
