import { stringify } from 'yaml'
import { z } from 'zod'
import type { Clock } from '../../clock/clock.ts'
import { parseConfig } from '../../config/load.ts'
import type { Config, ConfigInput, UplinkAnswer } from '../../config/schema.ts'
import { AppError, findAppError } from '../../errors/app-error.ts'
import type { Hypervisor } from '../../hypervisor/port.ts'
import type { TaskRecord } from '../../steps/step.ts'
import type { SettingRepository } from '../../store/settings.ts'
import type { TaskLine, TaskRepository } from '../../store/tasks.ts'
import type { Journal } from '../context.ts'
import type { Card } from '../../network/cards.ts'
import { isInUse, trialSeconds, type NetworkTrials } from '../network-trial.ts'
import { setupSteps, skippableSteps } from '../setup.ts'
import { noteWalletTransaction, openWalletRequest, type WalletRequest } from '../steps/wallet-deployment.ts'
import { askDirectory } from '../tls/acme.ts'
import type { Certificates } from '../tls/certificates.ts'
import { answerFileOf } from './answer-file.ts'
import { backupIsSealed, backupPlace } from './backup-place.ts'
import { checkRpc } from './check-rpc.ts'
import { missingSecrets } from './former-secrets.ts'
import { diskPlaces, sharesDiskWithState, type DiskPlace } from './disk-places.ts'
import { createDraft, parseSection, type SectionView } from './draft.ts'
import { runChecks, type CheckResult } from './live-checks.ts'
import {
  enrolByPage,
  proxmoxSight,
  storagesOfServer,
  tokenFileOf,
  type EnrolmentLine,
  type EnrolmentRequest,
} from './proxmox-page.ts'
import { changesOf, type Change } from './review.ts'
import type { SectionName } from './section.ts'
import { sectionOf } from './sections.ts'

export interface WizardPorts {
  settings: SettingRepository
  tasks: TaskRepository
  journal: Journal
  /** A running task with its phase, which is on no disk. */
  live(kept: TaskRecord): TaskRecord
  /** What the installation itself brings to the answers: version, mode, listeners. */
  base: Partial<ConfigInput>
  openHypervisor(answers: Config): Promise<Hypervisor>
  /** The machine's own network, where there is a root helper to change it. */
  network?: NetworkTrials
  /** Of the public address, on an installed host. */
  certificates?: Pick<Certificates, 'state'>
  stateFolder: string
  /** Where libvirt's disks lie if nobody chooses. */
  usualFolder: string
  /** Whether a name leads back to port 80 of this host. */
  proveName?(name: string, signal: AbortSignal): Promise<boolean>
  clock: Clock
  /** Addresses of the host's keys, where they exist already. */
  keys(): Promise<{ deployer: string | null; provisioner: string | null }>
  begin(answers: string, skip: readonly string[]): Promise<TaskRecord>
  undo(): Promise<TaskRecord>
  /** Goes on, in the direction in which it was going. */
  resume(): Promise<void>
}

export interface WizardView {
  sections: SectionView[]
  next: SectionName | 'review' | 'run'
  task: TaskRecord | null
  wallet: WalletRequest | null
  /** Fingerprint of the certificate that the public address is about to show (W14). */
  nextCertificate: string | null
  /** Step that has failed and may be gone on without. */
  skippable: string | null
}

/** A change of the network on trial, as a page shows it; `address` is null where it comes by DHCP. */
export interface TrialView {
  /** Seconds until it is taken back. */
  secondsLeft: number
  address: string | null
  uplink: UplinkAnswer
}

/** The wizard behind the pages. All state is here: a reload, another browser or a power cut changes nothing (W6). */
export interface Wizard {
  view(): Promise<WizardView>
  answer(name: SectionName, value: unknown, revision: number): Promise<SectionView>
  check(name: SectionName, value: unknown, signal: AbortSignal): Promise<CheckResult[]>
  /** `failed`: why the last change could not be tried at all. */
  network(): Promise<{ cards: Card[]; trial: TrialView | null; failed: string | null }>
  /**
   * Tries a change of the machine's own network; taken back by itself unless `confirmNetwork` comes from there. Begins a moment
   * after it has answered: the answer would not find its way back any more.
   */
  tryNetwork(uplink: UplinkAnswer): Promise<TrialView>
  /** Keeps the change and the answer. @param reachedAt the name that the request was sent to. */
  confirmNetwork(reachedAt: string): Promise<SectionView>
  /** Places for disks on this machine, the best first. */
  diskPlaces(): Promise<DiskPlace[]>
  /** What enrolment with Proxmox would do, by looking only; the privileged token is kept nowhere. */
  planEnrolment(request: EnrolmentRequest): Promise<{ steps: EnrolmentLine[]; storages: DiskPlace[] }>
  /** Enrols; from then on the answers name the file of the new token. */
  enrol(request: EnrolmentRequest): Promise<{ steps: EnrolmentLine[]; tokenFile: string }>
  review(): Promise<{ changes: Change[]; estimateSeconds: number }>
  answerFile(): Promise<{ text: string; leftOut: string[] }>
  /** @param skip steps to go on without. Throws `bad-input` for one that nothing works without. */
  run(skip: readonly string[]): Promise<TaskRecord>
  /** Takes back what a setup did that stopped half-way. */
  undo(): Promise<TaskRecord>
  /** Goes on with a setup that a power cut ended. Resolves at once where there is none. */
  resume(): Promise<void>
  log(after: number): Promise<TaskLine[]>
  walletSent(hash: string): Promise<void>
}

/** So long an answer takes to leave the machine, generously. */
const answerFirstMs = 1000

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

  function trials(): NetworkTrials {
    if (ports.network !== undefined) return ports.network
    throw new AppError({
      code: 'not-in-this-state',
      detail: 'This installation leaves the network of its machine alone.',
      hint: 'Change it where the machine is looked after.',
    })
  }

  /** An answer that nobody could reach would be the last one given. */
  async function mustBeTried(value: unknown): Promise<void> {
    const { uplink } = parseSection('uplink', value) as { uplink: UplinkAnswer | null }
    if (uplink === null || isInUse(uplink, await trials().cards())) return
    throw new AppError({
      code: 'not-in-this-state',
      detail: 'This network is not in use yet.',
      hint: 'Try it first: it is kept once you confirm it from the new address.',
    })
  }

  let failed: string | null = null

  const trialView = ({ until, uplink }: { until: number; uplink: UplinkAnswer }): TrialView => ({
    secondsLeft: Math.max(0, until - ports.clock.now()),
    address: uplink.ipv4 === 'dhcp' ? null : uplink.ipv4.address,
    uplink,
  })

  return {
    async network() {
      const [cards, trial] = await Promise.all([trials().cards(), trials().present()])
      return { cards, trial: trial && trialView(trial), failed }
    },
    async tryNetwork(uplink) {
      await mustBeIdle()
      const { begin, present, cards } = trials()
      if (!(await cards()).some((card) => card.mac === uplink.mac)) {
        throw new AppError({
          code: 'bad-input',
          detail: `No network card has the MAC ${uplink.mac}.`,
          fields: [{ pointer: '/uplink/mac', detail: 'no card of this machine has it' }],
        })
      }
      if ((await present()) !== null) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: 'Another change of the network is being tried.',
          hint: 'Confirm it from its address, or wait until it is taken back.',
        })
      }
      failed = null
      void ports.clock
        .wait(answerFirstMs)
        .then(() => begin(uplink))
        .catch((error: unknown) => (failed = findAppError(error)?.message ?? 'The network could not be changed.'))
      return trialView({ uplink, until: ports.clock.now() + trialSeconds })
    },
    async confirmNetwork(reachedAt) {
      const uplink = await trials().confirm(reachedAt)
      const before = (await draft.views()).find((section) => section.name === 'uplink')
      return await draft.put('uplink', { uplink }, before?.revision ?? 0)
    },
    async view() {
      const [views, running, wallet, tls] = await Promise.all([
        draft.views(),
        task(),
        openWalletRequest(ports.journal),
        ports.certificates?.state(),
      ])
      const open = views.find((section) => section.state !== 'answered')
      const busy = running?.state === 'running' || running?.state === 'interrupted'
      return {
        sections: views,
        next: busy ? 'run' : (open?.name ?? 'review'),
        task: running === undefined ? null : ports.live(running),
        wallet: running?.state === 'running' ? (wallet ?? null) : null,
        nextCertificate: tls?.next?.fingerprint ?? null,
        skippable: running?.steps.find((step) => step.state === 'failed' && skippableSteps.includes(step.name))?.name ?? null,
      }
    },
    async answer(name, value, revision) {
      await mustBeIdle()
      if (name === 'uplink') await mustBeTried(value)
      return await draft.put(name, value, revision)
    },
    async check(name, value, signal) {
      const parsed = parseSection(name, value)
      const known = { ...(await draft.known()), ...parsed }
      return await runChecks(sectionOf(name), parsed, {
        known,
        signal,
        base: ports.base,
        ownProvisioner: async () => (await ports.keys()).provisioner,
        ownDeployer: async () => (await ports.keys()).deployer,
        proxmox: proxmoxSight(ports.clock),
        missingSecrets: () => missingSecrets(ports.stateFolder),
        sharesDiskWithState: (folder) => sharesDiskWithState(folder ?? ports.usualFolder, ports.stateFolder),
        backupPlace: (backup) => backupPlace(backup, ports.stateFolder),
        backupIsSealed,
        acmeDirectory: askDirectory,
        ...(ports.proveName !== undefined && { proveName: ports.proveName }),
        rpc: (url, method, params) => checkRpc(url, method, params, signal),
        openHypervisor: (answers) => ports.openHypervisor({ ...(ports.base as Config), ...known, ...answers } as Config),
      })
    },
    diskPlaces: () => diskPlaces(ports.stateFolder, ports.usualFolder),
    async planEnrolment(request) {
      const { stateFolder, clock } = ports
      const steps = await enrolByPage(request, { stateFolder, clock, go: false })
      return { steps, storages: await storagesOfServer(request, clock) }
    },
    async enrol(request) {
      await mustBeIdle()
      const { stateFolder, clock } = ports
      return { steps: await enrolByPage(request, { stateFolder, clock, go: true }), tokenFile: tokenFileOf(stateFolder) }
    },
    async review() {
      const { config } = await whole()
      const [keys, deploymentWei] = await Promise.all([ports.keys(), deploymentCost(config)])
      return {
        changes: changesOf(config, { ...keys, deploymentWei, stateFolder: ports.stateFolder }),
        estimateSeconds: setupSteps.reduce((sum, step) => sum + step.estimateSeconds, 0),
      }
    },
    answerFile: async () => answerFileOf((await whole()).input),
    async run(skip) {
      const { config } = await whole()
      return await ports.begin(stringify(config), skip)
    },
    undo: () => ports.undo(),
    async resume() {
      const state = (await task())?.state
      if (state !== 'running' && state !== 'interrupted') return
      // only a setup of these pages: one by a file goes on when the file is applied again, and is no fault here
      const views = await draft.views()
      if (views.some((section) => section.state !== 'answered')) return
      await whole()
      await ports.resume()
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
