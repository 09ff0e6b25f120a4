import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import getPort from 'get-port'
import { buildPages, buildTemplate, checkout } from '@freehold/appliance/dev/builds'
import { startEmbedded, type Embedded } from '@freehold/appliance/dev/embedded'
import { libvirtFolderOf } from '@freehold/appliance/dev/session-libvirt'

/** The whole product in embedded mode on free ports, with a state folder of its own that is removed at the end. */
export interface EmbeddedStand {
  embedded: Embedded
  origin: string
  rpcUrl: string
  stateFolder: string
  /** Runs `freehold` of the checkout against this stand. */
  freehold(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>
  stop(): Promise<void>
}

/** Starts the stand and applies scripts/embedded.yaml with other ports. `hypervisor: fake` boots nothing. */
export async function startStand(options: {
  pages: boolean
  hypervisor: 'libvirt' | 'fake'
  /** Wallets of the local chain in every page, as `up.sh` has them. */
  devWallets?: boolean
  report?: (line: string) => void
}): Promise<EmbeddedStand> {
  const report = options.report ?? (() => undefined)
  // short: unix sockets have at most 108 characters
  const stateFolder = await mkdtemp('/tmp/fh-')
  const [web, rpc, login, sshFrom] = [
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
    30_000 + ((process.pid * 16) % 20_000),
  ]
  let answers = (await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'))
    .replace('http://localhost:8080', `http://localhost:${web}`)
    .replace('http://127.0.0.1:8545', `http://127.0.0.1:${rpc}`)
    .replace(/^hypervisor:\n {2}kind: libvirt/m, `hypervisor:\n  kind: ${options.hypervisor}`)
  if (options.hypervisor === 'libvirt') answers += `  sshPorts: { from: ${sshFrom}, to: ${sshFrom + 15} }\n`
  answers += `listen:\n  login: 127.0.0.1:${login}\n`
  if (options.hypervisor === 'libvirt') await buildTemplate(report)
  const pages = options.pages ? await buildPages(report) : undefined
  const embedded = await startEmbedded({
    stateFolder,
    answers,
    answersFile: 'answers.yaml',
    pages,
    devWallets: options.devWallets === true,
    report,
  })
  const stop = async () => {
    await embedded.stop()
    await rm(stateFolder, { recursive: true, force: true })
    // as root the disks lie elsewhere
    await rm(libvirtFolderOf(embedded.config, stateFolder), { recursive: true, force: true })
  }
  try {
    await embedded.setUp(report)
  } catch (error) {
    await embedded.stop()
    throw error
  }
  return {
    embedded,
    origin: embedded.origin,
    rpcUrl: embedded.rpcUrl,
    stateFolder,
    stop,
    freehold: (...args) => runFreehold(['--host', embedded.origin, '--state', stateFolder, ...args], stateFolder),
  }
}

/** Runs `freehold` of the checkout; its state of the command line lies below `stateFolder`. */
export async function runFreehold(
  args: string[],
  stateFolder: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { spawn } = await import('node:child_process')
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>()
  const child = spawn(join(checkout, 'appliance/bin/freehold'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_STATE_HOME: join(stateFolder, 'cli') },
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
  return await promise
}
