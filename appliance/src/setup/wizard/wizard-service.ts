import { stringify } from 'yaml'
import { z } from 'zod'
import { parseConfig } from '../../config/load.ts'
import type { Config, ConfigInput } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Hypervisor } from '../../hypervisor/port.ts'
import type { TaskRecord } from '../../steps/step.ts'
import type { SettingRepository } from '../../store/settings.ts'
import type { TaskLine, TaskRepository } from '../../store/tasks.ts'
import type { Journal } from '../context.ts'
import { setupSteps } from '../setup.ts'
import { noteWalletTransaction, openWalletRequest, type WalletRequest } from '../steps/wallet-deployment.ts'
import { answerFileOf } from './answer-file.ts'
import { checkRpc } from './check-rpc.ts'
import { createDraft, parseSection, type SectionView } from './draft.ts'
import { runChecks, type CheckResult } from './live-checks.ts'
import { changesOf, type Change } from './review.ts'
import type { SectionName } from './section.ts'
import { sectionOf } from './sections.ts'

export interface WizardPorts {
  settings: SettingRepository
  tasks: TaskRepository
  journal: Journal
  /** What the installation itself brings to the answers: version, mode, listeners. */
  base: Partial<ConfigInput>
  openHypervisor(answers: Config): Promise<Hypervisor>
  /** Addresses of the host's keys, where they exist already. */
  keys(): Promise<{ deployer: string | null; provisioner: string | null }>
  begin(answers: string): Promise<TaskRecord>
}

export interface WizardView {
  sections: SectionView[]
  next: SectionName | 'review' | 'run'
  task: TaskRecord | null
  wallet: WalletRequest | null
}

/** The wizard behind the pages. All state is here: a reload, another browser or a power cut changes nothing (W6). */
export interface Wizard {
  view(): Promise<WizardView>
  answer(name: SectionName, value: unknown, revision: number): Promise<SectionView>
  check(name: SectionName, value: unknown, signal: AbortSignal): Promise<CheckResult[]>
  review(): Promise<{ changes: Change[]; estimateSeconds: number }>
  answerFile(): Promise<{ text: string; leftOut: string[] }>
  run(): Promise<TaskRecord>
  /** Goes on with a setup that a power cut ended. Resolves at once where there is none. */
  resume(): Promise<void>
  log(after: number): Promise<TaskLine[]>
  walletSent(hash: string): Promise<void>
}

export function createWizard(ports: WizardPorts): Wizard {
  const draft = createDraft(ports.settings, ports.base)

  const task = async (): Promise<TaskRecord | undefined> =>
    (await ports.tasks.list({ subject: 'host', limit: 20 })).items.find((one) => one.kind === 'setup')

  /** The whole, checked as a file is: rules between fields are told with their pointers. */
  const whole = async (): Promise<{ input: ConfigInput; config: Config }> => {
    const input = await draft.answers()
    return { input, config: parseConfig(stringify(input), 'The answers') }
  }

  async function mustBeIdle(): Promise<void> {
    if ((await task())?.state === 'running') {
      throw new AppError({
        code: 'not-in-this-state',
        detail: 'Setup is running, by the answers as they are.',
        hint: 'Wait until it has ended; what failed can be answered anew then.',
      })
    }
  }

  return {
    async view() {
      const [views, running, wallet] = await Promise.all([draft.views(), task(), openWalletRequest(ports.journal)])
      const open = views.find((section) => section.state !== 'answered')
      const busy = running?.state === 'running' || running?.state === 'interrupted'
      return {
        sections: views,
        next: busy ? 'run' : (open?.name ?? 'review'),
        task: running ?? null,
        wallet: running?.state === 'running' ? (wallet ?? null) : null,
      }
    },
    async answer(name, value, revision) {
      await mustBeIdle()
      return await draft.put(name, value, revision)
    },
    async check(name, value, signal) {
      const parsed = parseSection(name, value)
      const known = { ...(await draft.known()), ...parsed }
      return await runChecks(sectionOf(name), parsed, {
        known,
        signal,
        rpc: (url, method, params) => checkRpc(url, method, params, signal),
        openHypervisor: (answers) => ports.openHypervisor({ ...(ports.base as Config), ...known, ...answers } as Config),
      })
    },
    async review() {
      const { config } = await whole()
      const [keys, deploymentWei] = await Promise.all([ports.keys(), deploymentCost(config)])
      return {
        changes: changesOf(config, { ...keys, deploymentWei }),
        estimateSeconds: setupSteps.reduce((sum, step) => sum + step.estimateSeconds, 0),
      }
    },
    answerFile: async () => answerFileOf((await whole()).input),
    async run() {
      const { config } = await whole()
      return await ports.begin(stringify(config))
    },
    async resume() {
      const state = (await task())?.state
      if (state === 'running' || state === 'interrupted') await ports.begin(stringify((await whole()).config))
    },
    async log(after) {
      const present = await task()
      return present === undefined ? [] : await ports.tasks.logSince(present.taskId, after)
    },
    async walletSent(hash) {
      if ((await openWalletRequest(ports.journal)) === undefined) {
        // the chain was quicker than the browser: what it tells is known
        if (((await ports.journal.get('contract')) ?? null) !== null) return
        throw new AppError({ code: 'not-in-this-state', detail: 'No deployment waits for a wallet.' })
      }
      await noteWalletTransaction(ports.journal, hash)
    },
  }
}

/** Gas of a deployment with one plan, measured (contracts/test/gas), and of each further plan with its prices. */
const deploymentGas = 4_600_000n
const gasPerPlan = 260_000n

/** About what the network takes now; null if it does not tell. */
async function deploymentCost({ chain, plans }: Config): Promise<bigint | null> {
  try {
    const price = await checkRpc(chain.rpcUrls[0] ?? '', 'eth_gasPrice', [], AbortSignal.timeout(5000))
    return BigInt(z.string().parse(price)) * (deploymentGas + gasPerPlan * BigInt(plans.length))
  } catch {
    return null
  }
}
