import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import getPort from 'get-port'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { systemClock } from '@freehold/appliance/clock/clock'
import { buildPages, checkout } from '@freehold/appliance/dev/builds'
import { pagesAnswer, pagesProcess } from '@freehold/appliance/dev/pages-server'
import { createSupervisor } from '@freehold/appliance/dev/supervisor'
import { noHost } from '@freehold/appliance/host/no-host'
import type { HostPort } from '@freehold/appliance/host/port'
import { run } from '@freehold/appliance/hypervisor/libvirt/run'
import { startDaemon } from '@freehold/appliance/main'
import { startAcmeStand, type AcmeStand } from './acme.ts'

/** An installed host that nobody has set up, behind TLS: the real daemon, pages, Caddy and ACME authority; the root helper writes down. */
export interface InstalledWizardStand {
  /** As people open it by its address; the certificate is the one of the first boot. */
  origin: string
  httpsPort: number
  /** Where guests log in once the host is set up. */
  loginPort: number
  /** The pages, as Caddy reaches them. */
  web: string
  /** The next certificate was announced long enough. Until then it is announced, however slow this machine is. */
  announced(): void
  /** Caddy is restarted, as its unit is. */
  reload(): Promise<void>
  stateFolder: string
  chain: TestChain
  acme: AcmeStand
  /** What the root helper was asked to try, in order. */
  tried: unknown[]
  code(): Promise<string>
  /** The machine's own screen, as text. */
  screen(): Promise<string>
  stop(): Promise<void>
}

export async function startInstalledWizard(): Promise<InstalledWizardStand> {
  // short: unix sockets have at most 108 characters
  const stateFolder = await mkdtemp('/tmp/fhi-')
  const endings: (() => Promise<unknown>)[] = [() => rm(stateFolder, { recursive: true, force: true })]
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end()
  }
  try {
    const chain = await startTestChain('0x00000000000000000000000000000000000000a9')
    endings.push(() => chain.close())
    const acme = await startAcmeStand(join(stateFolder, 'acme'))
    endings.push(() => acme.stop())
    const [httpsPort, webPort, login] = [
      await getPort({ host: '127.0.0.1' }),
      await getPort({ host: '127.0.0.1' }),
      await getPort({ host: '127.0.0.1' }),
    ]
    const pages = await buildPages(() => undefined)
    for (const folder of ['run', 'log']) await mkdir(join(stateFolder, folder), { mode: 0o700 })
    const supervisor = await createSupervisor(stateFolder)
    endings.push(() => supervisor.stop())
    await supervisor.start({
      name: 'web',
      ...pagesProcess(pages, webPort),
      ready: () => pagesAnswer(webPort),
      readyWithinSeconds: 120,
    })
    const tried: unknown[] = []
    const announced = Promise.withResolvers<void>()
    const host: HostPort = {
      ...noHost,
      isolates: true,
      async setTaps({ taps }) {
        return { taps: taps.map((_, i) => `tap${i}`) }
      },
      // other units than Caddy, which has a door of its own here, are none of this stand
      restartUnit: () => Promise.resolve(),
      setWasm: () => Promise.resolve(),
      async tryNetwork({ uplink, seconds }) {
        tried.push(uplink)
        return { trial: randomUUID(), until: systemClock.now() + seconds }
      },
    }
    const caddyfile = join(stateFolder, 'tls/Caddyfile')
    let caddy = false
    const reload = async (): Promise<void> => {
      // its unit is restarted; this supervisor starts again what has ended
      if (caddy) return supervisor.crash('caddy')
      caddy = true
      await supervisor.start({
        name: 'caddy',
        command: 'caddy',
        args: ['run', '--adapter', 'caddyfile', '--config', caddyfile],
        env: { XDG_CONFIG_HOME: join(stateFolder, 'run'), XDG_DATA_HOME: join(stateFolder, 'run') },
        ready: async () => (await run('curl', ['-sk', `https://127.0.0.1:${httpsPort}/`])).code === 0,
        readyWithinSeconds: 60,
      })
    }
    const image = join(stateFolder, 'image')
    await writeFile(image, 'image')
    const sha256 = createHash('sha256').update('image').digest('hex')
    const daemon = await startDaemon({
      stateFolder,
      clock: systemClock,
      host,
      front: { httpPort: acme.httpPort, httpsPort, reload, announced: () => announced.promise },
      wizard: { mode: 'installed', listen: { login: `127.0.0.1:${login}`, web: `127.0.0.1:${webPort}` } },
      buildTemplate: async () => ({ path: image, sha256 }),
    })
    endings.push(() => daemon.stop())
    return {
      origin: `https://127.0.0.1:${httpsPort}`,
      httpsPort,
      loginPort: login,
      web: `127.0.0.1:${webPort}`,
      reload,
      announced: announced.resolve,
      stateFolder,
      chain,
      acme,
      tried,
      code: async () => (JSON.parse(await readFile(join(stateFolder, 'run/setup-code'), 'utf8')) as { code: string }).code,
      async screen() {
        const { stdout, stderr, code } = await run(join(checkout, 'appliance/bin/freehold'), [
          '--state',
          stateFolder,
          'console-screen',
          '--once',
        ])
        if (code !== 0) throw new Error(stderr)
        return stdout
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
