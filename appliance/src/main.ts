import { existsSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { Signer } from 'ethers'
import { pino } from 'pino'
import { z } from 'zod'
import { createApi, type ApiServer } from './api/app.ts'
import { noFacts } from './api/facts.ts'
import type { ApiPorts } from './api/ports.ts'
import { registerSetup } from './api/routes/setup.ts'
import { clearSetupDoor, openSetupDoor, type SetupDoorServer } from './api/setup-door.ts'
import { registerRestore, type RestoreDoor } from './api/routes/restore.ts'
import { createRestore } from './backup/restore.ts'
import { restoredSchema, restoredSetting } from './backup/restored.ts'
import { takeOverStaged } from './backup/staged.ts'
import type { Address } from './chain/subscription.ts'
import type { Clock } from './clock/clock.ts'
import { loadConfig } from './config/load.ts'
import { configSchema, type Config, type ConfigInput } from './config/schema.ts'
import { AppError, findAppError } from './errors/app-error.ts'
import { createHostClient, hostSocket } from './host/client.ts'
import type { HostPort } from './host/port.ts'
import { discardEmptyStorage, openHypervisor } from './hypervisor/open-hypervisor.ts'
import { causesOf, startProduct, type Product } from './product.ts'
import { openFirstCertificate, ownCertificateNames } from './setup/wizard/first-certificate.ts'
import type { SetupHooks } from './setup/context.ts'
import { createCertificates, type Certificates, type Front } from './setup/tls/certificates.ts'
import { configFileOf, createSetupService } from './setup/setup-service.ts'
import type { StepIo } from './steps/step.ts'
import { TaskEvents } from './steps/task-events.ts'
import { holdDaemonLock } from './store/daemon-lock.ts'
import { openStore } from './store/store.ts'

/** What a development build brings; on other chains than its own none of it is offered. */
export interface Development {
  chainId: number
  fund(rpcUrl: string, address: string): Promise<void>
  devToken(rpcUrl: string, deployer: Signer): Promise<Address>
  advance: {
    body: z.ZodType<{ seconds: number }>
    run(rpcUrl: string, body: { seconds: number }): Promise<{ now: number; blockTimestamp: number }>
  }
  fakeGuests(loginEndpoint: string): {
    start(id: string, sshPort: number | null, freeholdJson: string): Promise<void>
    stop(id: string): void
    stopAll(): void
  }
}

export interface DaemonOptions {
  stateFolder: string
  clock: Clock
  /** Builds or finds the guest image when the answers name none. */
  buildTemplate?(io: StepIo, answers: Config): Promise<{ path: string; sha256: string }>
  development?: Development
  /** What this installation brings to the wizard's answers: mode and listeners. Without it there is no wizard. */
  wizard?: Partial<ConfigInput>
  /** Ends this daemon and starts it again, with what was restored. Without it nothing can be restored here. */
  beginAnew?(): void
  /** The root helper; default: the one of an installed host. */
  host?: HostPort
  /** Caddy; default: the unit of an installed host, which the root helper restarts. */
  front?: Front
}

export interface Daemon {
  stop(): Promise<void>
}

const listenSchema = configSchema.shape.listen

export const version = '0.1.0'

/**
 * freeholdd. Opens the store and the operator's own door; if the host is set up, starts the product and the public door, else
 * waits for answers. What keeps the product from starting is told at the operator's door and tried again with new answers.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { stateFolder, clock, development } = options
  const log = pino({ level: process.env['FREEHOLD_LOG'] ?? 'info', base: null })
  for (const folder of ['run', 'secrets']) await mkdir(join(stateFolder, folder), { recursive: true, mode: 0o700 })
  // before anything is touched: a second daemon would answer at the first one's doors and send with its key
  const lock = holdDaemonLock(join(stateFolder, 'run/freeholdd.lock'))
  const takenOver = await takeOverStaged(stateFolder)
  if (takenOver !== undefined) log.info({ createdAt: takenOver.createdAt }, 'a backup was restored')
  const store = await openStore(join(stateFolder, 'freehold.db'), { clock })
  const events = new TaskEvents()

  const host = options.host ?? (existsSync(hostSocket) ? createHostClient(hostSocket) : undefined)
  const front = options.front ?? (host && { reload: () => host.restartUnit({ unit: 'caddy' }) })
  const certificates =
    front &&
    createCertificates({
      stateFolder,
      clock,
      front,
      zoneProofs: () => product?.api.publicIpv6?.()?.proofs,
      log: (line, cause) => (cause === undefined ? log.info({}, line) : log.error({ cause: causesOf(cause) }, line)),
    })
  let stopKeeping: (() => void) | undefined
  let product: Product | undefined
  let publicDoor: ApiServer | undefined
  let setupDoor: SetupDoorServer | undefined
  let closedBecause = 'This host is not set up yet.'
  /** By what the product runs, while it does. */
  let opened: Config | undefined
  let guests: ReturnType<Development['fakeGuests']> | undefined
  const stopping = new AbortController()
  let wanted = new AbortController()
  let turn: Promise<void> = Promise.resolve()

  // 1. the operator's door first: it tells how it goes while the rest starts
  const setup = createSetupService({
    stateFolder,
    ...(options.wizard !== undefined && { base: options.wizard }),
    clock,
    settings: store.settings,
    tasks: store.tasks,
    hooks: hooksOf,
    openHypervisor: (answers, initialise) => openHypervisor({ config: answers, stateFolder, clock, initialise }),
    discardStorage: (answers) => discardEmptyStorage({ config: answers, stateFolder }),
    ...(host !== undefined && { host }),
    ...(certificates !== undefined && { certificates }),
    listensAt: () => product && opened?.listen.login,
    backups: () => product?.backups,
    publicIpv6: () => product?.api.publicIpv6?.()?.client,
    onEvent: events.emit,
    onFailure: (error) => log.error({ cause: causesOf(error) }, 'setup failed'),
    finished: openWanted,
    close: closeWanted,
    handedOver: () => setupDoor === undefined && publicDoor !== undefined,
    handOver,
  })
  const restore = restoreDoor()
  const hostDoor = await createApi(delegatingPorts(), {
    door: 'host',
    extend: [
      registerSetup({ ...setup, rebuild: rebuildNow, code: () => setupDoor?.code, trying }),
      ...(restore === undefined ? [] : [registerRestore(restore, 'host')]),
      registerDevelopment,
    ],
  })
  await listen(hostDoor, join(stateFolder, 'run/admin.sock'), 0o600)

  // 2. a host that is set up opens by itself
  const config = await loadConfig(configFileOf(stateFolder)).catch((error: unknown) => {
    if (findAppError(error, 'config-unreadable') === undefined) throw error
    return undefined
  })
  if (config !== undefined) {
    await openWanted(config).catch(() => undefined)
    // cut off after the configuration was written: the code opens nothing any more, and what is left of setup is done
    await clearSetupDoor({ stateFolder, clock, store })
    void setup.resume().catch((error: unknown) => log.error({ cause: causesOf(error) }, 'setup could not go on by itself'))
  }
  if (config === undefined && options.wizard !== undefined) {
    const tls = join(stateFolder, 'tls')
    await openFirstCertificate(
      { certificate: join(tls, 'first-boot.pem'), key: join(tls, 'first-boot.key') },
      { names: ownCertificateNames(), now: new Date(clock.now() * 1000) },
    )
    if (options.wizard.mode === 'installed') await writeSite({ listen: listenSchema.parse(options.wizard.listen ?? {}) })
    setupDoor = await openSetupDoor({
      stateFolder,
      clock,
      store,
      setup,
      base: options.wizard,
      version,
      ports: delegatingPorts(),
      ...(restore !== undefined && { restore }),
      ...(options.wizard.mode === 'installed' && { ...(host && { host }), ...(certificates && { certificates }) }),
    })
    await listen(setupDoor.app, resolve(stateFolder, options.wizard.listen?.api ?? 'run/api.sock'), 0o660)
  }
  log.info({ setUp: config !== undefined }, 'freeholdd is up')

  /**
   * Opens the product of these answers; the ones before give way. Rejects if the first try fails, and goes on trying: a node
   * or hypervisor that is down for a while must not keep the host down for ever. One open at a time, ever.
   */
  async function openWanted(answers: Config): Promise<void> {
    wanted.abort()
    const mine = (wanted = new AbortController())
    const given = AbortSignal.any([mine.signal, stopping.signal])
    const attempt = (): Promise<void> => {
      const next = turn.then(() => (given.aborted ? undefined : open(answers)))
      turn = next.catch((error: unknown) => {
        closedBecause = findAppError(error)?.message ?? 'It could not start; see its log.'
        log.error({ cause: causesOf(error) }, 'the product could not start; tried again in 5 s')
      })
      return next
    }
    async function retry(): Promise<void> {
      while (!given.aborted) {
        await clock.wait(5000, given)
        const opened = await attempt().then(
          () => true,
          () => false,
        )
        if (opened) return
      }
    }
    try {
      await attempt()
    } catch (error) {
      void retry()
      throw error
    }
  }

  async function open(answers: Config): Promise<void> {
    await close()
    const played = answers.hypervisor.kind === 'fake' ? development?.fakeGuests(answers.listen.login) : undefined
    guests = played
    const hypervisor = await openHypervisor({
      config: answers,
      stateFolder,
      clock,
      ...(played !== undefined && {
        fake: {
          onStart: (record, seed) =>
            void played.start(`${record.key.installation}-${record.key.tokenId}`, record.spec.addresses.sshPort, seed),
          onStop: (key) => played.stop(`${key.installation}-${key.tokenId}`),
        },
      }),
    })
    product = await startProduct({
      version,
      config: answers,
      stateFolder,
      clock,
      store,
      hypervisor,
      events,
      log,
      ...(options.host !== undefined && { host: options.host }),
      ...(certificates !== undefined &&
        answers.mode === 'installed' && {
          certificate: async () => {
            const { present, trouble } = await certificates.state()
            if (present === undefined && trouble === null) return undefined
            return { name: new URL(answers.origin).hostname, until: present?.until ?? clock.now(), trouble }
          },
        }),
      renew: () => void openWanted(answers).catch(() => undefined),
    })
    opened = answers
    // while pages of setup are open, theirs is the door; the last step changes it
    if (setupDoor === undefined) await openPublicDoor(answers, product)
  }

  async function openPublicDoor(answers: Config, { api }: Product): Promise<void> {
    publicDoor = await createApi({ ...api, tasks: events }, { door: 'public' })
    const socket = isAbsolute(answers.listen.api) ? answers.listen.api : join(stateFolder, answers.listen.api)
    await listen(publicDoor, socket, 0o660)
    if (answers.mode === 'installed') stopKeeping = certificates?.keep(answers)
  }

  /** From here on the code on the screen opens nothing, and no trace of it stays (I7). Repeated it changes nothing. */
  async function handOver(): Promise<void> {
    const present = product
    if (present === undefined || opened === undefined) {
      throw new AppError({ code: 'not-in-this-state', detail: closedBecause, hint: 'Try again in a moment.' })
    }
    const answers = opened
    await setupDoor?.end()
    setupDoor = undefined
    if (publicDoor !== undefined) return
    await openPublicDoor(answers, present).catch((error: unknown) => {
      // nobody is at the door any more: it is tried again by itself
      void openWanted(answers).catch(() => undefined)
      throw error
    })
  }

  /** Ends the product and what tries to start it. */
  async function closeWanted(): Promise<void> {
    wanted.abort()
    turn = turn.then(close)
    await turn
  }

  /** Pages and API come up whether or not Caddy could be told: it is told again with the next change. */
  async function writeSite(subject: Parameters<Certificates['writeSite']>[0]): Promise<void> {
    await certificates?.writeSite(subject).catch((error: unknown) => log.error({ cause: causesOf(error) }, 'Caddy was not told'))
  }

  async function close(): Promise<void> {
    stopKeeping?.()
    await publicDoor?.close()
    await product?.stop()
    guests?.stopAll()
    product = publicDoor = guests = undefined
  }

  function hooksOf(answers: Config): SetupHooks {
    const rpcUrl = answers.chain.rpcUrls[0] ?? ''
    const local = development !== undefined && answers.chain.chainId === development.chainId && answers.mode === 'embedded'
    return {
      ...(options.buildTemplate !== undefined && {
        buildTemplate: (io: StepIo) => (options.buildTemplate as NonNullable<typeof options.buildTemplate>)(io, answers),
      }),
      ...(local && {
        fund: (address: string) => development.fund(rpcUrl, address),
        devToken: (deployer: Signer) => development.devToken(rpcUrl, deployer),
      }),
    }
  }

  async function trying(): Promise<{ address: string | null; secondsLeft: number } | null> {
    const trial = (await setupDoor?.network?.present()) ?? null
    if (trial === null) return null
    const { ipv4 } = trial.uplink
    return { address: ipv4 === 'dhcp' ? null : `https://${ipv4.address}`, secondsLeft: Math.max(0, trial.until - clock.now()) }
  }

  /** A backup goes onto a machine that is not set up, and onto no other. */
  function restoreDoor(): RestoreDoor | undefined {
    const { beginAnew } = options
    if (beginAnew === undefined) return undefined
    const mayRestore = async (): Promise<void> => {
      const last = (await store.tasks.list({ subject: 'host', limit: 20 })).items.find((task) => task.kind === 'setup')
      const setUp = existsSync(configFileOf(stateFolder))
      if (!setUp && last?.state !== 'running') return
      throw new AppError({
        code: 'not-in-this-state',
        detail: setUp ? 'This host is set up: a backup is restored on a machine that is not.' : 'Setup is running.',
        hint: 'To bring the database back, run freehold rebuild; to look into a backup, freehold backup restore FILE --key-file KEY --to FOLDER.',
      })
    }
    const sessions = 'setup sessions'
    return {
      beginAnew,
      restored: async () => {
        await mayRestore()
        return (await store.settings.get(restoredSetting, restoredSchema)) ?? null
      },
      restore: createRestore({
        stateFolder,
        clock,
        mayRestore,
        // whoever typed the machine's code is not asked for it again
        async carryOver() {
          const kept = await store.settings.get(sessions, z.unknown())
          return kept === undefined ? {} : { [sessions]: JSON.stringify(kept) }
        },
      }),
    }
  }

  async function rebuildNow(): Promise<{ vms: number; unmatched: string[] }> {
    return await running().rebuild()
  }

  function running(): Product {
    if (product !== undefined) return product
    throw new AppError({ code: 'not-in-this-state', detail: closedBecause, hint: 'Set the host up first: freehold apply FILE' })
  }

  function registerDevelopment(app: ApiServer): void {
    if (development === undefined) return
    const { advance } = development
    app.post('/v1/dev/advance', { config: { access: 'host' }, schema: { body: advance.body } }, async (request) => {
      const { host } = running().api
      if (host.chainId !== development.chainId || host.mode !== 'embedded') {
        throw new AppError({
          code: 'not-supported',
          detail: `Time is moved on network ${development.chainId} only.`,
          hint: 'Wait.',
        })
      }
      const answers = await loadConfig(configFileOf(stateFolder))
      const moved = await advance.run(answers.chain.rpcUrls[0] ?? '', request.body)
      running().wake()
      return moved
    })
  }

  /** Before setup the host's own door has little to tell, and it tells that. */
  function delegatingPorts(): ApiPorts {
    const before: Pick<ApiPorts, 'clock' | 'host'> = {
      clock,
      host: {
        version,
        mode: options.wizard?.mode ?? 'embedded',
        origin: 'http://localhost',
        chainId: 0,
        chainName: 'none yet',
        confirmations: 0,
      },
    }
    return {
      get clock() {
        return clock
      },
      get host() {
        return product?.api.host ?? before.host
      },
      // a product whose door is still that of setup sells to nobody
      facts: () =>
        setupDoor === undefined && product !== undefined
          ? product.api.facts()
          : { ...noFacts, storefront: { open: false, because: closedBecause } },
      token: (address) => running().api.token(address),
      signIn: later(() => running().api.signIn),
      sessions: later(() => running().api.sessions),
      certify: (options) => running().api.certify(options),
      consoles: later(() => running().api.consoles),
      passWatch: later(() => running().api.passWatch),
      store,
      tasks: events,
      vmActions: { begin: (...args) => running().api.vmActions.begin(...args) },
      wasm: () => product?.api.wasm?.(),
      publicIpv6: () => product?.api.publicIpv6?.(),
      desk: () => product?.api.desk?.(),
      issues: async () => (product === undefined ? [] : await product.api.issues()),
      rpc: (method, params) => running().api.rpc(method, params),
      log,
    }
  }

  let stopped: Promise<void> | undefined
  return {
    stop: () =>
      (stopped ??= (async () => {
        log.info('stopping')
        stopping.abort()
        await turn
        await setup.stop()
        await hostDoor.close()
        await setupDoor?.app.close()
        await close()
        await store.close()
        lock.release()
      })()),
  }
}

/** Stands for an object that is there once the product runs; until then every use of it throws what `get` throws. */
function later<T extends object>(get: () => T): T {
  return new Proxy({} as T, { get: (_, name) => Reflect.get(get(), name) as unknown })
}

/** A unix socket of exactly this mode; a left-over of a crash is replaced. */
async function listen(app: ApiServer, path: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await rm(path, { force: true })
  const before = process.umask(0o177)
  try {
    await app.listen({ path })
  } finally {
    process.umask(before)
  }
  await chmod(path, mode)
}
