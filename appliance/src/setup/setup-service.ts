import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { z } from 'zod'
import type { Clock } from '../clock/clock.ts'
import { parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import type { HostPort } from '../host/port.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import { runTask } from '../steps/runner.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { SettingRepository } from '../store/settings.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { SetupContext, SetupHooks } from './context.ts'
import type { BrokerClient } from '../network/broker/client.ts'
import type { Certificates } from './tls/certificates.ts'
import { setupSteps } from './setup.ts'

export interface SetupServicePorts {
  stateFolder: string
  clock: Clock
  settings: SettingRepository
  tasks: TaskRepository
  /** What the place of installation brings, given the answers. */
  hooks(answers: Config): SetupHooks
  /** Opens the hypervisor of the answers; `initialise` makes its storage, once. */
  openHypervisor(answers: Config, initialise: boolean): Promise<Hypervisor>
  /** The root helper, on an installed host. */
  host?: HostPort
  /** Of the public address, on an installed host. */
  certificates?: Certificates
  /** The running product's client of IPv6 brokers. */
  publicIpv6?(): BrokerClient | undefined
  /** Where the product, if it runs, listens for guests: that port is taken by ourselves. */
  listensAt(): string | undefined
  onEvent(event: TaskEvent): void
  onFailure(error: unknown): void
  /** Setup has ended well: the product starts from the written configuration. Throws what keeps it from starting. */
  finished(config: Config): Promise<void>
}

/** Setup as the operator's socket offers it. */
export interface SetupService {
  review(answers: string): Promise<{ steps: { name: string; estimateSeconds: number; done: boolean }[] }>
  /** Throws `not-in-this-state` while setup runs by other answers. */
  begin(answers: string): Promise<TaskRecord>
  /** Goes on by the answers of a setup that was cut off. Resolves at once where there is none. */
  resume(): Promise<void>
  stop(): Promise<void>
}

/** The answers of a setup that has not ended well yet. */
const keptAnswers = 'setup answers'

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

/** Which storage the answers mean. */
function storageOf({ hypervisor }: Config): string {
  return hypervisor.kind === 'libvirt' ? `libvirt ${hypervisor.folder ?? 'default'}` : hypervisor.kind
}

export function createSetupService(ports: SetupServicePorts): SetupService {
  const stopping = new AbortController()
  let running: { answers: string; task: Promise<TaskRecord>; ended: Promise<void> } | undefined

  async function readConfig(): Promise<Config | undefined> {
    const text = await readFile(configFileOf(ports.stateFolder), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : parseConfig(text, 'freehold.yaml')
  }

  function contextOf(answers: Config): SetupContext {
    let hypervisor: Promise<Hypervisor> | undefined
    return {
      answers,
      ownLoginPort: ports.listensAt() === answers.listen.login,
      stateFolder: ports.stateFolder,
      secretsFolder: join(ports.stateFolder, 'secrets'),
      journal: {
        get: (key) => ports.settings.get(`setup ${key}`, z.unknown()),
        put: (key, value) => ports.settings.put(`setup ${key}`, value),
      },
      hooks: ports.hooks(answers),
      ...(ports.host !== undefined && { host: ports.host }),
      ...(ports.publicIpv6 !== undefined && { publicIpv6: ports.publicIpv6 }),
      ...(ports.certificates !== undefined && answers.mode === 'installed' && { certificates: ports.certificates }),
      hypervisor: () => (hypervisor ??= readConfig().then((present) => openOnce(answers, present))),
      writeConfig: (config) => writeWhole(configFileOf(ports.stateFolder), stringify(config)),
      readConfig,
      open: ports.finished,
    }
  }

  /** The storage is made once: a marker that is missing later means that it is not mounted, and nothing is made in its place. */
  async function openOnce(answers: Config, present: Config | undefined): Promise<Hypervisor> {
    const key = `setup storage ${storageOf(answers)}`
    const initialised =
      (await ports.settings.get(key, z.boolean())) === true ||
      (present !== undefined && storageOf(present) === storageOf(answers))
    const hypervisor = await ports.openHypervisor(answers, !initialised)
    await ports.settings.put(key, true)
    return hypervisor
  }

  const service: SetupService = {
    async review(text) {
      const context = contextOf(parseConfig(text, 'answers'))
      const done = (await context.readConfig()) !== undefined
      return { steps: setupSteps.map((step) => ({ name: step.name, estimateSeconds: step.estimateSeconds, done })) }
    },
    async begin(text) {
      if (running !== undefined) {
        if (running.answers === text) return await running.task
        throw new AppError({
          code: 'not-in-this-state',
          detail: 'Setup runs already, by other answers than these.',
          hint: 'Wait until it has ended, then apply these.',
        })
      }
      const answers = parseConfig(text, 'answers')
      const first = Promise.withResolvers<TaskRecord>()
      // on disk before anything is done: who goes on after a power cut has nobody to ask
      const work = ports.settings.put(keptAnswers, text).then(() =>
        runTask(
          {
            kind: 'setup',
            subject: 'host',
            steps: setupSteps,
            context: contextOf(answers),
            signal: stopping.signal,
          },
          {
            tasks: ports.tasks,
            clock: ports.clock,
            onFailure: ports.onFailure,
            onEvent: (event) => {
              if (event.type === 'task') first.resolve(event.task)
              ports.onEvent(event)
            },
          },
        ),
      )
      const ended = work
        .then(async ({ state }) => {
          if (state === 'done') await ports.settings.remove(keptAnswers)
        })
        .catch((error: unknown) => first.reject(error))
      running = { answers: text, task: first.promise, ended }
      void ended.finally(() => (running = undefined))
      return await first.promise
    },
    async resume() {
      const last = (await ports.tasks.list({ subject: 'host', limit: 20 })).items.find((one) => one.kind === 'setup')
      const text = await ports.settings.get(keptAnswers, z.string())
      if (text !== undefined && (last?.state === 'running' || last?.state === 'interrupted')) await service.begin(text)
    },
    async stop() {
      stopping.abort()
      await running?.ended
    },
  }
  return service
}
