import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import getPort from 'get-port'
import { buildPages, checkout } from '@freehold/appliance/dev/builds'
import { startEmbedded } from '@freehold/appliance/dev/embedded'

/** A host that nobody has set up: the real daemon, chain, pages and Caddy, the fake hypervisor. */
export interface WizardStand {
  origin: string
  rpcUrl: string
  stateFolder: string
  /** The code on the machine's screen. */
  code(): Promise<string>
  /** Kills the daemon, which its supervisor starts again. */
  killDaemon(): void
  rpc(method: string, ...params: unknown[]): Promise<unknown>
  stop(): Promise<void>
}

/** Starts it on free ports, with a state folder of its own. */
export async function startWizardStand(): Promise<WizardStand> {
  // short: unix sockets have at most 108 characters
  const stateFolder = await mkdtemp('/tmp/fhw-')
  const [web, chain, login] = [
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
  ]
  const answers = (await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'))
    .replace('http://localhost:8080', `http://localhost:${web}`)
    .replace('http://127.0.0.1:8545', `http://127.0.0.1:${chain}`)
    .replace(/^hypervisor:\n {2}kind: libvirt/m, 'hypervisor:\n  kind: fake')
  const pages = await buildPages(() => undefined)
  const embedded = await startEmbedded({
    stateFolder,
    answers: `${answers}listen:\n  login: 127.0.0.1:${login}\n`,
    answersFile: 'answers.yaml',
    wizard: true,
    pages,
    report: () => undefined,
  })
  const code = async (): Promise<string> =>
    (JSON.parse(await readFile(join(stateFolder, 'run/setup-code'), 'utf8')) as { code: string }).code
  return {
    origin: embedded.origin,
    rpcUrl: embedded.rpcUrl,
    stateFolder,
    code,
    killDaemon: () => embedded.supervisor.crash('freeholdd'),
    async rpc(method, ...params) {
      const response = await fetch(embedded.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        signal: AbortSignal.timeout(10_000),
      })
      return ((await response.json()) as { result?: unknown }).result
    },
    async stop() {
      await embedded.stop()
      await rm(stateFolder, { recursive: true, force: true })
    },
  }
}
