import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import getPort from 'get-port'
import { statusSchema } from '../api/schemas/status.ts'
import { createClient } from '../cli/client.ts'
import { parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import { caddyfile } from './caddyfile.ts'
import { checkout } from './builds.ts'
import { daemonMalloc, daemonNodeOptions } from './daemon-limits.ts'
import { localChainId, localChainProcess, moveChainTo } from './local-chain.ts'
import { startSessionLibvirt } from './session-libvirt.ts'
import { pagesAnswer, pagesProcess } from './pages-server.ts'
import { createSupervisor, until, type Supervisor } from './supervisor.ts'
import { wasmProcess } from './wasm-process.ts'
import { openWalletFront, type WalletFront } from './wallet-front.ts'

export interface EmbeddedOptions {
  stateFolder: string
  /** Text of the answer file and its name for messages. */
  answers: string
  answersFile: string
  /** Folder with `wizard/server.js`, or undefined to run without pages (tests of the daemon alone). */
  pages: string | undefined
  /** Nobody applies the answers: the wizard asks, and takes mode and listeners from them. */
  wizard?: boolean
  /** Wallets of the local chain announce themselves in every page; elsewhere it has no effect. */
  devWallets?: boolean
  /** A phase has begun. */
  report(phase: string): void
  /** Handed what ends everything begun so far, for a Ctrl-C while the start is still going on. */
  stopper?(stop: () => Promise<void>): void
}

/** Embedded mode, running. */
export interface Embedded {
  config: Config
  stateFolder: string
  origin: string
  rpcUrl: string
  supervisor: Supervisor
  /** Applies the answers and waits until the storefront is open. */
  setUp(onLine: (line: string) => void): Promise<void>
  /** Stops what was started, VMs included (asked first, forced after 20 s). */
  stop(): Promise<void>
}

async function refusePortInUse(port: number, what: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  if (!(await promise)) {
    throw new AppError({
      code: 'port-in-use',
      detail: `Port ${port} on 127.0.0.1 is in use; ${what} needs it.`,
      hint: 'Stop the other program, or change the port in the answer file.',
    })
  }
}

/**
 * Starts the processes of embedded mode (design §4) under a supervisor: local chain, libvirtd, freeholdd, pages, Caddy.
 * Throws `port-in-use`, `process-failed`, `config-invalid` with a remedy, having stopped what it had begun.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { stateFolder, report } = options
  const config = parseConfig(options.answers, options.answersFile)
  for (const folder of ['run', 'log', 'chain']) await mkdir(join(stateFolder, folder), { recursive: true, mode: 0o700 })
  const rpcUrl = config.chain.rpcUrls[0] ?? ''
  const originPort = Number(new URL(config.origin).port || '80')
  const supervisor = await createSupervisor(stateFolder)
  let libvirt: { stop(): Promise<void> } | undefined
  let wallets: WalletFront | undefined
  const stop = async () => {
    await supervisor.stop()
    await wallets?.close()
    await libvirt?.stop()
  }
  options.stopper?.(stop)
  try {
    await refusePortInUse(originPort, 'the storefront')
    if (config.chain.chainId === localChainId) {
      const port = Number(new URL(rpcUrl).port)
      await refusePortInUse(port, 'the local chain')
      report('local chain')
      await supervisor.start(localChainProcess({ anvil: anvilBinary(), port, folder: join(stateFolder, 'chain') }))
      await moveChainTo(rpcUrl, Math.floor(Date.now() / 1000) + (await storedOffset(stateFolder)))
    }
    if (config.hypervisor.kind === 'libvirt') {
      report('hypervisor')
      libvirt = await startSessionLibvirt(config, stateFolder)
    }
    report('daemon')
    const daemon = createClient({ socket: join(stateFolder, 'run/admin.sock') })
    await supervisor.start({
      name: 'freeholdd',
      command: process.execPath,
      args: [
        ...daemonNodeOptions,
        join(checkout, 'appliance/src/dev/freeholdd.ts'),
        '--state',
        stateFolder,
        ...wizardArguments(options, config),
      ],
      // code that was compiled before: half the start, and the type stripper is never loaded
      env: {
        ...daemonMalloc,
        NODE_COMPILE_CACHE: join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'freehold/node'),
      },
      ready: () => daemon.call(statusSchema, 'GET', '/v1/status').then(() => true),
      readyWithinSeconds: 60,
      stopWithinSeconds: 20,
    })
    const wasm = config.wasm.enabled ? await wasmProcess(config, stateFolder) : undefined
    if (wasm !== undefined) {
      report('WASM hosting')
      await refusePortInUse(wasm.port, 'WASM hosting')
      await supervisor.start(wasm.process)
    }
    let web = '127.0.0.1:9'
    if (options.pages !== undefined) {
      report('pages')
      const port = await getPort({ host: '127.0.0.1' })
      web = `127.0.0.1:${port}`
      await supervisor.start({
        name: 'web',
        ...pagesProcess(options.pages, port),
        ready: () => pagesAnswer(port),
        readyWithinSeconds: 60,
      })
      if (options.devWallets === true && config.chain.chainId === localChainId) {
        wallets = await openWalletFront({ pages: web, rpcUrl, origin: config.origin })
        web = wallets.address
      }
    }
    const file = join(stateFolder, 'run/Caddyfile')
    const apiSocket = join(stateFolder, 'run/api.sock')
    await writeFile(file, caddyfile({ origin: config.origin, apiSocket, web, ...(wasm && { wasm: wasm.site }) }))
    await supervisor.start({
      name: 'caddy',
      command: 'caddy',
      args: ['run', '--adapter', 'caddyfile', '--config', file],
      env: { XDG_CONFIG_HOME: join(stateFolder, 'run'), XDG_DATA_HOME: join(stateFolder, 'run') },
      // before setup nothing stands behind it: any answer of Caddy itself will do
      ready: () => fetch(config.origin, { signal: AbortSignal.timeout(2000) }).then(() => true),
      readyWithinSeconds: 20,
    })
    const open = async () => (await daemon.call(statusSchema, 'GET', '/v1/status')).storefront === 'open'
    return {
      config,
      stateFolder,
      origin: config.origin,
      rpcUrl,
      supervisor,
      async setUp(onLine) {
        // a host that is set up opens by itself; applying the same answers again would change nothing
        if (await isSetUp(stateFolder)) {
          await until('the storefront', 60, open, 100)
          return
        }
        const { applyAnswers } = await import('./apply.ts')
        await applyAnswers(daemon, options.answers, onLine)
        await until('the storefront', 60, open, 100)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What the installation brings to the wizard's answers; no secret is in it. */
function wizardArguments({ wizard }: EmbeddedOptions, { mode, listen }: Config): string[] {
  return wizard === true ? ['--wizard', JSON.stringify({ mode, listen })] : []
}

/** anvil itself: the command of the npm package is a wrapper, and a signal to it would not reach the node. */
function anvilBinary(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  return join(checkout, `node_modules/@foundry-rs/anvil-linux-${architecture}/bin/anvil`)
}

async function isSetUp(stateFolder: string): Promise<boolean> {
  return await stat(join(stateFolder, 'freehold.yaml')).then(
    () => true,
    () => false,
  )
}

/** Seconds by which `freehold dev advance` has moved the daemon's clock so far. */
export async function storedOffset(stateFolder: string): Promise<number> {
  try {
    return Number(await readFile(join(stateFolder, 'clock-offset'), 'utf8')) || 0
  } catch {
    return 0
  }
}
