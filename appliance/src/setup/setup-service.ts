import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { z } from 'zod'
import type { Backups } from '../backup/backups.ts'
import type { Clock } from '../clock/clock.ts'
import { parseConfig } from '../config/load.ts'
import type { Config, ConfigInput } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import type { HostPort } from '../host/port.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import { runTask, undoTask, type TaskPorts, type TaskRequest } from '../steps/runner.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { SettingRepository } from '../store/settings.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { Journal, SetupContext, SetupHooks } from './context.ts'
import type { BrokerClient } from '../network/broker/client.ts'
import type { Certificates } from './tls/certificates.ts'
import { setupSteps, skippableSteps } from './setup.ts'
import { parseAnswersHere } from './installation-answers.ts'
import { clearNotes, noteMade, noteOf } from './undo-notes.ts'

export interface SetupServicePorts {
  stateFolder: string
  /** What this installation brings to answers that do not say it: its listeners. */
  base?: Partial<ConfigInput>
  clock: Clock
  settings: SettingRepository
  tasks: TaskRepository
  /** What the place of installation brings, given the answers. */
  hooks(answers: Config): SetupHooks
  /** Opens the hypervisor of the answers; `initialise` makes its storage, once. */
  openHypervisor(answers: Config, initialise: boolean): Promise<Hypervisor>
  /** Removes the storage of the answers if nothing lies in it. True: it is gone. */
  discardStorage(answers: Config): Promise<boolean>
  /** The root helper, on an installed host. */
  host?: HostPort
  /** Of the public address, on an installed host. */
  certificates?: Certificates
  /** The running product's client of IPv6 brokers. */
  publicIpv6?(): BrokerClient | undefined
  /** Of the running product. */
  backups?(): Backups | undefined
  /** Where the product, if it runs, listens for guests: that port is taken by ourselves. */
  listensAt(): string | undefined
  onEvent(event: TaskEvent): void
  onFailure(error: unknown): void
  /** Setup has ended well: the product starts from the written configuration. Throws what keeps it from starting. */
  finished(config: Config): Promise<void>
  /** Ends the product, and what tries to start it. */
  close(): Promise<void>
  handedOver(): boolean
  /** The door of setup gives way to the public one. */
  handOver(): Promise<void>
}

/** Setup as the operator's socket offers it. */
export interface SetupService {
  review(answers: string): Promise<{ steps: { name: string; estimateSeconds: number; done: boolean }[] }>
  /**
   * @param skip steps that a person goes on without. Throws `not-in-this-state` while setup runs by other answers, `bad-input` for a
   * step that nothing works without.
   */
  begin(answers: string, skip?: readonly string[]): Promise<TaskRecord>
  /**
   * Takes back what a setup did that did not end well, the last step first. Throws `not-in-this-state` while one runs, and where
   * none is left to take back.
   */
  undo(): Promise<TaskRecord>
  /** Goes on by the answers of a setup that was cut off. Resolves at once where there is none. */
  resume(): Promise<void>
  stop(): Promise<void>
}

/** The answers of a setup that has not ended well yet. */
const keptAnswers = 'setup answers'
/** It is being taken back: after a power cut it goes on in that direction. */
const goingBack = 'setup going back'

export function configFileOf(stateFolder: string): string {
  return join(stateFolder, 'freehold.yaml')
}

/** Writes a file that is there whole or not at all. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(`${path}.new`, 'w', 0o640)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

function busy(): AppError {
  return new AppError({ code: 'not-in-this-state', detail: 'Setup is running.', hint: 'Wait until it has ended or stopped.' })
}

/** Which storage the answers mean. */
function storageOf({ hypervisor }: Config): string {
  return hypervisor.kind === 'libvirt' ? `libvirt ${hypervisor.folder ?? 'default'}` : hypervisor.kind
}

export function createSetupService(ports: SetupServicePorts): SetupService {
  const stopping = new AbortController()
  let running: { answers: string; task: Promise<TaskRecord>; ended: Promise<void> } | undefined
  const journal: Journal = {
    get: (key) => ports.settings.get(`setup ${key}`, z.unknown()),
    put: (key, value) => ports.settings.put(`setup ${key}`, value),
  }

  async function readConfig(): Promise<Config | undefined> {
    const text = await readFile(configFileOf(ports.stateFolder), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : parseConfig(text, 'freehold.yaml')
  }

  function contextOf(answers: Config): SetupContext {
    let hypervisor: Promise<Hypervisor> | undefined
    const path = configFileOf(ports.stateFolder)
    const context: SetupContext = {
      answers,
      ownLoginPort: ports.listensAt() === answers.listen.login,
      stateFolder: ports.stateFolder,
      secretsFolder: join(ports.stateFolder, 'secrets'),
      journal,
      hooks: ports.hooks(answers),
      ...(ports.host !== undefined && { host: ports.host }),
      ...(ports.backups !== undefined && { backups: ports.backups }),
      ...(ports.publicIpv6 !== undefined && { publicIpv6: ports.publicIpv6 }),
      ...(ports.certificates !== undefined && answers.mode === 'installed' && { certificates: ports.certificates }),
      hypervisor: () => (hypervisor ??= readConfig().then((present) => openOnce(answers, present))),
      writeConfig: (config) => writeWhole(path, stringify({ ...config, restore: undefined })),
      readConfig,
      configText: () => readFile(path, 'utf8').catch(() => undefined),
      async restoreConfig(before) {
        if (before === null) return await rm(path, { force: true })
        await writeWhole(path, before)
        await ports.finished(parseConfig(before, 'freehold.yaml'))
      },
      wasEnabled: (config) => parseConfig(config, 'freehold.yaml').wasm.enabled,
      async discardStorage() {
        if ((await noteOf(journal, 'storage'))?.includes(storageOf(answers)) !== true) return false
        const gone = await ports.discardStorage(answers)
        if (gone) await ports.settings.remove(`setup storage ${storageOf(answers)}`)
        return gone
      },
      open: ports.finished,
      close: ports.close,
      handedOver: async () => ports.handedOver(),
      handOver: ports.handOver,
    }
    return context
  }

  /** The storage is made once: a marker that is missing later means that it is not mounted, and nothing is made in its place. */
  async function openOnce(answers: Config, present: Config | undefined): Promise<Hypervisor> {
    const key = `setup storage ${storageOf(answers)}`
    const initialised =
      (await ports.settings.get(key, z.boolean())) === true ||
      (present !== undefined && storageOf(present) === storageOf(answers))
    if (!initialised) await noteMade(journal, 'storage', storageOf(answers))
    const hypervisor = await ports.openHypervisor(answers, !initialised)
    await ports.settings.put(key, true)
    return hypervisor
  }

  const lastTask = async (): Promise<TaskRecord | undefined> =>
    (await ports.tasks.list({ subject: 'host', limit: 20 })).items.find((one) => one.kind === 'setup')

  /** Runs or takes back as the one task of setup. Resolves with it as soon as it is on disk. */
  async function work(
    text: string,
    go: (request: TaskRequest<SetupContext>, taskPorts: TaskPorts) => Promise<TaskRecord>,
  ): Promise<TaskRecord> {
    if (running !== undefined) throw busy()
    const answers = parseAnswersHere(text, ports.base)
    const first = Promise.withResolvers<TaskRecord>()
    const ended = go(
      { kind: 'setup', subject: 'host', steps: setupSteps, context: contextOf(answers), signal: stopping.signal },
      {
        tasks: ports.tasks,
        clock: ports.clock,
        onFailure: ports.onFailure,
        onEvent: (event) => {
          if (event.type === 'task') first.resolve(event.task)
          ports.onEvent(event)
        },
      },
    )
      .then(async ({ state }) => {
        if (state !== 'done' && state !== 'undone') return
        await ports.settings.remove(keptAnswers)
        await ports.settings.remove(goingBack)
        await clearNotes(journal)
      })
      .catch((error: unknown) => first.reject(error))
    running = { answers: text, task: first.promise, ended }
    void ended.finally(() => (running = undefined))
    return await first.promise
  }

  const service: SetupService = {
    async review(text) {
      const context = contextOf(parseAnswersHere(text, ports.base))
      const done = (await context.readConfig()) !== undefined
      return { steps: setupSteps.map((step) => ({ name: step.name, estimateSeconds: step.estimateSeconds, done })) }
    },
    async begin(text, skip = []) {
      const needed = skip.find((name) => !skippableSteps.includes(name))
      if (needed !== undefined) {
        throw new AppError({
          code: 'bad-input',
          detail: `There is no going on without ${JSON.stringify(needed)}.`,
          hint: `Only these may be skipped: ${skippableSteps.join(', ')}.`,
          fields: [{ pointer: '/skip', detail: `may name ${skippableSteps.join(', ')}` }],
        })
      }
      if (running !== undefined) {
        if (running.answers === text) return await running.task
        throw new AppError({
          code: 'not-in-this-state',
          detail: 'Setup runs already, by other answers than these.',
          hint: 'Wait until it has ended, then apply these.',
        })
      }
      return await work(text, async (request, taskPorts) => {
        // on disk before anything is done: who goes on after a power cut has nobody to ask
        const last = await lastTask()
        if (last === undefined || last.state === 'done' || last.state === 'undone') await clearNotes(journal)
        await ports.settings.put(keptAnswers, text)
        await ports.settings.remove(goingBack)
        return await runTask({ ...request, skip }, taskPorts)
      })
    },
    async undo() {
      if (running !== undefined) throw busy()
      const text = await ports.settings.get(keptAnswers, z.string())
      const last = await lastTask()
      const sells = ports.handedOver() && last?.steps.some((step) => step.name === 'start' && step.state === 'done') === true
      if (text === undefined || last === undefined || last.state === 'done' || sells) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: sells ? 'The storefront is open.' : 'No setup is left to be taken back.',
          hint: 'Only a setup that stopped half-way is taken back.',
        })
      }
      return await work(text, async (request, taskPorts) => {
        await ports.settings.put(goingBack, true)
        return await undoTask({ ...request, resumeFailed: true }, taskPorts)
      })
    },
    async resume() {
      const last = await lastTask()
      const text = await ports.settings.get(keptAnswers, z.string())
      if (text === undefined || (last?.state !== 'running' && last?.state !== 'interrupted')) return
      if ((await ports.settings.get(goingBack, z.boolean())) === true) await service.undo()
      else await service.begin(text)
    },
    async stop() {
      stopping.abort()
      await running?.ended
    },
  }
  return service
}
