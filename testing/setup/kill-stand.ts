import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import getPort from 'get-port'
import { createClient } from '@freehold/appliance/cli/client'
import { taskSchema } from '@freehold/appliance/api/schemas/tasks'
import { wizardSchema } from '@freehold/appliance/api/schemas/setup-wizard'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { systemClock } from '@freehold/appliance/clock/clock'
import { parseConfig } from '@freehold/appliance/config/load'
import { openStore } from '@freehold/appliance/store/store'
import { JsonRpcProvider, Wallet } from 'ethers'
import { Browser } from './browser.ts'
import { startTransactionFront, type TransactionFront } from './transaction-front.ts'

/** How setup is asked for: by `freehold apply`, repeated after a crash, or by the wizard, which goes on by itself. */
export type Way = 'apply' | 'wizard'

/** What a whole setup leaves behind, as far as it must be the same after any crash. */
export interface World {
  /** Contracts that any key made: pass 0 minted to the owner. */
  contracts: number
  /** Transactions of the deployer, of the operator's wallet and of the provisioner. */
  sent: { deployer: number; wallet: number; provisioner: number }
  /** All files below the state folder. */
  files: string[]
  templates: number
  tasks: string[]
  /** Answers as they are kept, without what differs by chance. */
  config: unknown
}

/** One life of the daemon. */
export interface Life {
  /** Died by SIGKILL; else it ended with the storefront open. */
  killed: boolean
  /** Places of the steps that it passed. */
  passed: string[]
  words: string
  /** What a browser saw that was opened at the start of this life; absent where there was none to open. */
  seen: Seen | undefined
}

/** A host as the wizard's page shows it to a browser that comes anew. */
export interface Seen {
  page: string
  /** The first step that is not done. */
  step: string | undefined
  values: Record<string, unknown>
}

const wallet = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const owner = wallet.address
const treasury = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const plan = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }
/** ERC-721 Transfer(from, to, tokenId): of pass 0, minted in the constructor. */
const minted = [
  '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
  `0x${'0'.repeat(64)}`,
  `0x${owner.slice(2).toLowerCase().padStart(64, '0')}`,
  `0x${'0'.repeat(64)}`,
]

/** A host that is set up in lives, beside a chain that outlives them. */
export class KillStand {
  readonly #chain: TestChain
  readonly #front: TransactionFront
  readonly #provider: JsonRpcProvider

  private constructor(chain: TestChain, front: TransactionFront) {
    this.#chain = chain
    this.#front = front
    this.#provider = new JsonRpcProvider(chain.url, 31337, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 50 })
  }

  static async start(): Promise<KillStand> {
    const chain = await startTestChain('0x00000000000000000000000000000000000000a3')
    return new KillStand(chain, await startTransactionFront(chain.url))
  }

  async close(): Promise<void> {
    this.#provider.destroy()
    await this.#front.close()
    await this.#chain.close()
  }

  /** A new host. `use` gets its lives; its folder goes at the end. */
  async host<T>(way: Way, use: (host: Host) => Promise<T>): Promise<T> {
    // short: unix sockets have at most 108 characters
    const folder = await mkdtemp('/tmp/fhk-')
    const host = new Host(way, folder, `127.0.0.1:${await getPort({ host: '127.0.0.1' })}`, this.#front, this.#provider)
    try {
      await host.prepare()
      return await use(host)
    } finally {
      host.end()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** One host of the stand. */
export class Host {
  readonly folder: string
  readonly #way: Way
  readonly #login: string
  readonly #front: TransactionFront
  readonly #provider: JsonRpcProvider
  #child: ChildProcess | undefined
  #fromBlock = 0
  #walletNonce = 0
  #lives = 0

  constructor(way: Way, folder: string, login: string, front: TransactionFront, provider: JsonRpcProvider) {
    this.#way = way
    this.folder = folder
    this.#login = login
    this.#front = front
    this.#provider = provider
  }

  async prepare(): Promise<void> {
    this.#fromBlock = (await this.#provider.getBlockNumber()) + 1
    await this.#provider.send('anvil_setBalance', [wallet.address, '0x56bc75e2d63100000'])
    this.#walletNonce = await this.#provider.getTransactionCount(wallet.address)
  }

  end(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Runs until the storefront is open or it dies at `death`: `step/place` or `transaction/sending-call`. Rejects if it does neither. */
  async life(death = ''): Promise<Life> {
    this.#lives += 1
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-child.ts'), this.folder, this.#login, death], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, FREEHOLD_LOG: 'warn' },
    })
    this.#child = child
    const passed: string[] = []
    this.#front.onTransaction = (place) => {
      passed.push(`transaction/${place}`)
      const dies = `transaction/${place}` === death
      if (dies) child.kill('SIGKILL')
      return dies
    }
    let words = ''
    let ended = false
    const up = Promise.withResolvers<void>()
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('at ')) passed.push(line.slice(3))
        else if (line === 'up') up.resolve()
        else words += `${line}\n`
      }
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
    const exit = new Promise<{ code: number | null; signal: string | null }>((done) =>
      child.once('close', (code, signal) => {
        ended = true
        up.resolve()
        done({ code, signal })
      }),
    )
    // far above any machine: a hang is told with its words
    const limit = setTimeout(() => child.kill('SIGTERM'), 600_000)
    await up.promise
    child.stdin.on('error', () => undefined)
    let seen: Seen | undefined
    const driven = this.#drive(
      () => ended,
      (found) => {
        seen = found
        child.stdin.write('go on\n')
      },
    ).catch((error: unknown) => (words += ended ? '' : `\n${String(error)}`))
    const { code, signal } = await exit
    clearTimeout(limit)
    await driven
    if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the daemon ended with ${code ?? signal}, death ${death}: ${words}`)
    return { killed: signal === 'SIGKILL', passed, words, seen }
  }

  /** What people do while this life lasts. */
  async #drive(over: () => boolean, goOn: (seen?: Seen) => void): Promise<void> {
    if (this.#way === 'apply') {
      goOn()
      const admin = createClient({ socket: join(this.folder, 'run/admin.sock') })
      await admin.call(taskSchema, 'POST', '/v1/setup', {
        body: { answers: this.#answers() },
        headers: { 'idempotency-key': crypto.randomUUID() },
      })
      return
    }
    // the one of the life before is closed: this one knows nothing but the code on the screen
    const browser = new Browser(this.folder)
    const wizard = existsSync(join(this.folder, 'run/setup-code'))
    if (wizard) await browser.enter()
    if (this.#lives === 1) {
      goOn()
      for (const [name, value] of Object.entries(this.sections())) {
        const { status, body } = await browser.call('PUT', `/v1/setup/answers/${name}`, { revision: 0, value })
        if (status !== 200) throw new Error(`${name}: ${JSON.stringify(body)}`)
      }
      await browser.call('POST', '/v1/setup/run', {})
    } else {
      goOn(wizard ? await this.#look(browser) : undefined)
    }
    // later lives go on by themselves; the page only looks, and signs what it is shown
    let signed = false
    while (!over() && !signed) {
      const seen = await browser.call('GET', '/v1/setup/wizard').catch(() => undefined)
      const asked = seen?.body['wallet'] as { to: string | null; data: string } | null | undefined
      if (asked) {
        // as a wallet does: what it has sent and what is mined already is not asked again by a person
        const sent = await wallet.connect(this.#provider).sendTransaction({ to: asked.to, data: asked.data })
        await browser.call('POST', '/v1/setup/wallet-transaction', { hash: sent.hash })
        signed = true
      }
      await systemClock.wait(50)
    }
  }

  /** What the wizard is given, page by page. */
  sections(): Record<string, Record<string, unknown>> {
    return {
      address: { origin: 'http://localhost:8080' },
      chain: {
        chain: { chainId: 31337, rpcUrls: [this.#front.url], confirmations: 1, lowBalanceWei: '1000000' },
        publicChain: true,
      },
      people: { roles: { owner, treasury }, deployment: this.#way === 'wizard' ? 'wallet' : 'key' },
      hypervisor: { hypervisor: { kind: 'fake', createSeconds: 0 } },
      network: { network: {} },
      template: { template: {} },
      plans: { plans: [plan] },
      backup: { backup: {} },
    }
  }

  async #look(browser: Browser): Promise<Seen> {
    const { body } = await browser.call('GET', '/v1/setup/wizard')
    const { next, task, sections } = wizardSchema.parse(body)
    return {
      page: next,
      step: task?.steps.find(({ state }) => state !== 'done')?.name,
      values: Object.fromEntries(sections.map(({ name, value }) => [name, value])),
    }
  }

  /** YAML is a superset of JSON. */
  #answers(): string {
    const sections = Object.assign({}, ...Object.values(this.sections())) as object
    return JSON.stringify({ version: 1, mode: 'embedded', listen: { login: this.#login }, ...sections })
  }

  /** Hashes of what must never be made twice, as far as it is there: keys and answers to who we are. */
  async made(): Promise<Record<string, string>> {
    const made: Record<string, string> = {}
    for (const name of ['secrets/deployer.key', 'secrets/provisioner.key', 'tls/first-boot.pem']) {
      const bytes = await readFile(join(this.folder, name)).catch(() => undefined)
      if (bytes !== undefined) made[name] = createHash('sha256').update(bytes).digest('hex')
    }
    return made
  }

  /** Read from chain and disk, not from the daemon. */
  async world(): Promise<World> {
    const text = await readFile(join(this.folder, 'freehold.yaml'), 'utf8')
    const config = parseConfig(text, 'freehold.yaml')
    const logs = await this.#provider.getLogs({ fromBlock: this.#fromBlock, topics: minted })
    if (logs[0]?.address.toLowerCase() !== config.contracts[0]?.address.toLowerCase()) throw new Error('another contract sells')
    const [deployer, provisioner] = await Promise.all(['deployer', 'provisioner'].map((name) => this.#nonce(name)))
    const store = await openStore(join(this.folder, 'freehold.db'), { clock: systemClock })
    const fake = JSON.parse(await readFile(join(this.folder, 'fake-world.json'), 'utf8')) as { templates?: unknown[] }
    try {
      const { items } = await store.tasks.list({ subject: 'host', limit: 50 })
      return {
        contracts: logs.length,
        sent: {
          deployer: deployer ?? -1,
          provisioner: provisioner ?? -1,
          wallet: (await this.#provider.getTransactionCount(wallet.address)) - this.#walletNonce,
        },
        files: (await readdir(this.folder, { recursive: true })).filter((name) => !/\.db-|\.sock$|\.lock$/.test(name)).toSorted(),
        templates: fake.templates?.length ?? -1,
        tasks: items.map((task) => `${task.kind} ${task.state} ${task.steps.map((s) => `${s.name} ${s.state}`).join(', ')}`),
        config: { ...config, contracts: config.contracts.length, listen: null },
      }
    } finally {
      await store.close()
    }
  }

  async #nonce(name: string): Promise<number> {
    const path = join(this.folder, 'secrets', `${name}.key`)
    const { loadOrCreateKey } = await import('@freehold/appliance/chain/provisioner-key')
    return await this.#provider.getTransactionCount((await loadOrCreateKey(path)).address)
  }
}
