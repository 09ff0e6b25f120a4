import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join, resolve } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { spawn as terminal } from '@lydell/node-pty'
import getPort from 'get-port'
import { JsonRpcProvider, Wallet } from 'ethers'
import { newRecoveryKey } from '../../backup/keys.ts'
import { readInThread } from '../../backup/thread.ts'
import { loadOrCreateKey } from '../../chain/provisioner-key.ts'
import { startRpcFront } from '../../chain/rpc-front.ts'
import { startTestChain, type TestChain } from '../../chain/test-chain.ts'
import { systemClock } from '../../clock/clock.ts'
import { statusSchema } from '../../api/schemas/status.ts'
import { tasksPageSchema } from '../../api/schemas/tasks.ts'
import { createClient } from '../../cli/client.ts'
import { parseConfig } from '../../config/load.ts'
import type { AppError } from '../../errors/app-error.ts'
import { startDaemon, type Daemon } from '../../main.ts'

const deployer = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const people = {
  roles: { owner: deployer.address, treasury: '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC' },
  deployment: 'wallet',
}
const plan = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }

const freehold = resolve(import.meta.dirname, '../../cli/freehold.ts')

interface Answer {
  status: number
  body: Record<string, unknown> & { detail?: string; code?: string; errors?: { pointer: string }[] }
  cookie: string | undefined
}

/** A browser at the door: keeps its cookie, names its origin. */
class Browser {
  cookie = ''
  readonly socket: string
  readonly host: string
  constructor(folder: string, host = 'localhost:8080') {
    this.socket = join(folder, 'run/api.sock')
    this.host = host
  }
  async call(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const headers: Record<string, string> = { host: this.host, ...(this.cookie !== '' && { cookie: this.cookie }) }
    if (method !== 'GET') Object.assign(headers, { origin: `http://${this.host}`, 'idempotency-key': crypto.randomUUID() })
    if (body !== undefined) headers['content-type'] = 'application/json'
    const sent = httpRequest({ socketPath: this.socket, method, path, headers: { ...headers, ...more } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        const [line] = response.headers['set-cookie'] ?? []
        const cookie = line?.split(';')[0]
        if (cookie !== undefined) this.cookie = cookie
        resolve({
          status: response.statusCode ?? 0,
          body: (text === '' ? {} : JSON.parse(text)) as Answer['body'],
          cookie: line,
        })
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    return await promise
  }
}

interface Host {
  folder: string
  browser(host?: string): Browser
  code(): Promise<string>
  /** A browser that typed the code. */
  entered(): Promise<Browser>
  restart(): Promise<void>
  /** Switched off: its ports are free. */
  stop(): Promise<void>
}

async function openHost(t: TestContext): Promise<Host> {
  const folder = await mkdtemp('/tmp/fh-wizard-')
  const login = `127.0.0.1:${await getPort({ host: '127.0.0.1' })}`
  const image = join(folder, 'image')
  await writeFile(image, 'image')
  const sha256 = createHash('sha256').update('image').digest('hex')
  let daemon: Daemon | undefined
  const start = async (): Promise<void> => {
    daemon = await startDaemon({
      stateFolder: folder,
      clock: systemClock,
      wizard: { mode: 'embedded', listen: { login } },
      buildTemplate: async () => ({ path: image, sha256 }),
    })
  }
  await start()
  t.after(async () => {
    await daemon?.stop()
    await rm(folder, { recursive: true })
  })
  const host: Host = {
    folder,
    browser: (name) => new Browser(folder, name),
    code: async () => (JSON.parse(await readFile(join(folder, 'run/setup-code'), 'utf8')) as { code: string }).code,
    async entered() {
      const browser = new Browser(folder)
      const answer = await browser.call('POST', '/v1/setup/entry', { code: await host.code() })
      assert.equal(answer.body['entered'], true)
      return browser
    },
    async restart() {
      await daemon?.stop()
      await start()
    },
    async stop() {
      await daemon?.stop()
      daemon = undefined
    },
  }
  return host
}

suite('the wizard behind the pages', () => {
  let chain: TestChain
  before(async () => {
    chain = await startTestChain('0x00000000000000000000000000000000000000a3')
  })
  after(() => chain.close())

  const answersFor = (rpc = chain.url): Record<string, Record<string, unknown>> => ({
    address: { origin: 'http://localhost:8080' },
    chain: { chain: { chainId: 31337, rpcUrls: [rpc], confirmations: 1, lowBalanceWei: '1000000' }, publicChain: true },
    people,
    hypervisor: { hypervisor: { kind: 'fake', createSeconds: 0 } },
    network: { network: {} },
    template: { template: {} },
    plans: { plans: [plan] },
    backup: { backup: {} },
  })

  async function answerAll(browser: Browser, others: Record<string, Record<string, unknown>> = {}): Promise<void> {
    for (const [name, value] of Object.entries({ ...answersFor(), ...others })) {
      const answer = await browser.call('PUT', `/v1/setup/answers/${name}`, { revision: 0, value })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
    }
  }

  const guarded: [string, string, unknown?][] = [
    ['GET', '/v1/setup/wizard'],
    ['PUT', '/v1/setup/answers/plans', { revision: 0, value: {} }],
    ['POST', '/v1/setup/checks/chain', { value: {} }],
    ['GET', '/v1/setup/network'],
    ['POST', '/v1/setup/network/try', { uplink: { mac: '52:54:00:12:34:56', ipv4: 'dhcp', dns: [] } }],
    ['POST', '/v1/setup/network/confirm', {}],
    ['GET', '/v1/setup/storages'],
    ['GET', '/v1/setup/review'],
    ['GET', '/v1/setup/answer-file'],
    ['POST', '/v1/setup/run', {}],
    ['GET', '/v1/setup/log'],
    ['POST', '/v1/setup/wallet-transaction', { hash: `0x${'1'.repeat(64)}` }],
  ]

  test('I3 without the code nothing is told and nothing is done, on every route', async (t) => {
    const host = await openHost(t)
    const stranger = host.browser()
    for (const [method, path, body] of guarded) {
      const answer = await stranger.call(method, path, body)
      assert.deepEqual([path, answer.status, answer.body.code], [path, 401, 'not-signed-in'])
    }
    stranger.cookie = `__Host-freehold-setup=${'A'.repeat(43)}`
    assert.equal((await stranger.call('GET', '/v1/setup/wizard')).status, 401)
    // the operator's own routes and everything of signed-in people stay shut
    for (const path of ['/v1/vms', '/v1/audit', '/v1/tasks']) assert.equal((await stranger.call('GET', path)).status, 401)
    assert.equal((await stranger.call('POST', '/v1/setup', { answers: 'x' })).status, 404)
  })

  test('another name or another page is refused before anything is looked at', async (t) => {
    const host = await openHost(t)
    const rebound = await host.browser('rebound.example').call('GET', '/v1/setup/entry')
    assert.deepEqual([rebound.status, rebound.body.code], [421, 'misdirected'])
    const browser = await host.entered()
    const foreign = await browser.call('POST', '/v1/setup/run', {}, { origin: 'https://evil.example' })
    assert.deepEqual([foreign.status, foreign.body.code], [403, 'wrong-origin'])
    const nameless = await browser.call('POST', '/v1/setup/run', {}, { origin: 'null' })
    assert.equal(nameless.status, 403)
  })

  test('W2 wrong codes are counted down and void the code; the new one on the screen lets in', async (t) => {
    const host = await openHost(t)
    const browser = host.browser()
    const first = await host.code()
    const wrong = first === '000000' ? '111111' : '000000'
    for (const left of [4, 3, 2, 1]) {
      const { body } = await browser.call('POST', '/v1/setup/entry', { code: wrong })
      assert.deepEqual([body['entered'], body['left'], body['renewed']], [false, left, false])
    }
    const last = await browser.call('POST', '/v1/setup/entry', { code: wrong })
    assert.deepEqual([last.body['renewed'], last.body['left']], [true, 5])
    assert.equal((await browser.call('POST', '/v1/setup/entry', { code: first })).body['entered'], false)
    const entered = await browser.call('POST', '/v1/setup/entry', { code: await host.code() })
    assert.match(
      entered.cookie ?? '',
      /^__Host-freehold-setup=[\w-]{43}; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Strict$/,
    )
    assert.equal((await browser.call('GET', '/v1/setup/wizard')).status, 200)
  })

  test('W2 on the screen itself: wrong codes bring another code, so does R, and no other key does anything', async (t) => {
    const host = await openHost(t)
    const screen = terminal(process.execPath, [freehold, '--state', host.folder, 'console-screen'], { cols: 80, rows: 24 })
    t.after(() => screen.kill())
    let drawn = ''
    screen.onData((text) => (drawn += text))
    const shows = async (code: string) => {
      const spaced = `${code.slice(0, 3)} ${code.slice(3)}`
      await until(`${spaced} on the screen`, () => Promise.resolve(drawn.includes(spaced) || undefined))
    }
    const first = await host.code()
    await shows(first)
    for (const key of ['x', '\r', '\u001b[A', ' ']) screen.write(key)
    const browser = host.browser()
    const wrong = first === '000000' ? '111111' : '000000'
    for (let left = 4; left >= 0; left--) {
      const { body } = await browser.call('POST', '/v1/setup/entry', { code: wrong })
      assert.deepEqual([body['left'], body['renewed']], left === 0 ? [5, true] : [left, false])
    }
    const second = await host.code()
    assert.notEqual(second, first)
    await shows(second)
    screen.write('r')
    const third = await until('another code', async () => {
      const code = await host.code()
      return code === second ? undefined : code
    })
    await shows(third)
    assert.equal((await browser.call('POST', '/v1/setup/entry', { code: second })).body['entered'], false)
    assert.equal((await browser.call('POST', '/v1/setup/entry', { code: third })).body['entered'], true)
  })

  test('W6 a power cut keeps session, answers and page; a second browser sees the same', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    const { address, chain: network } = answersFor()
    await browser.call('PUT', '/v1/setup/answers/address', { revision: 0, value: address })
    await browser.call('PUT', '/v1/setup/answers/chain', { revision: 0, value: network })
    await host.restart()
    const seen = await browser.call('GET', '/v1/setup/wizard')
    assert.deepEqual([seen.status, seen.body['next']], [200, 'people'])
    const second = await host.entered()
    const there = await second.call('GET', '/v1/setup/wizard')
    assert.deepEqual(there.body['sections'], seen.body['sections'])
    assert.equal(there.body['browsers'], 2)
  })

  test('two operators at once: the later one is told, and nothing of the earlier is lost', async (t) => {
    const host = await openHost(t)
    const [one, two] = [await host.entered(), await host.entered()]
    const value = { origin: 'http://localhost:8080' }
    const [first, second] = await Promise.all([
      one.call('PUT', '/v1/setup/answers/address', { revision: 0, value }),
      two.call('PUT', '/v1/setup/answers/address', { revision: 0, value: { origin: 'http://localhost:9090' } }),
    ])
    assert.deepEqual(
      [first.status, second.status].toSorted((a, b) => a - b),
      [200, 409],
    )
  })

  test('a wrong field is named by its pointer, and nothing is kept', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    const wrong: [string, unknown, string][] = [
      ['people', { roles: { ...people.roles, owner: '0x12' } }, '/roles/owner'],
      ['plans', { plans: [{ ...plan, disk: 4 }] }, '/plans/0/disk'],
      ['plans', { plans: [] }, '/plans'],
      ['chain', { chain: { chainId: 1, rpcUrls: ['file:///etc/passwd'] } }, '/chain/rpcUrls/0'],
      ['hypervisor', { hypervisor: { kind: 'none' } }, '/hypervisor/kind'],
      ['template', { template: { sha256: 'x' } }, '/template/sha256'],
      ['backup', { backup: { recipient: 'age1short' } }, '/backup/recipient'],
      ['backup', { backup: { folder: 'relative' } }, '/backup/folder'],
    ]
    for (const [section, value, pointer] of wrong) {
      const answer = await browser.call('PUT', `/v1/setup/answers/${section}`, { revision: 0, value })
      assert.deepEqual([answer.status, answer.body.code], [400, 'bad-input'])
      assert.ok(
        answer.body.errors?.some((field) => field.pointer === pointer),
        `${section}: ${JSON.stringify(answer.body)}`,
      )
    }
    const { body } = await browser.call('GET', '/v1/setup/wizard')
    assert.ok((body['sections'] as { revision: number }[]).every((section) => section.revision === 0))
  })

  test('W7 a changed answer marks what must be looked at again', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    await answerAll(browser)
    assert.equal((await browser.call('GET', '/v1/setup/wizard')).body['next'], 'review')
    const value = { hypervisor: { kind: 'fake', createSeconds: 2 } }
    await browser.call('PUT', '/v1/setup/answers/hypervisor', { revision: 1, value })
    const { body } = await browser.call('GET', '/v1/setup/wizard')
    const again = (body['sections'] as { name: string; state: string }[]).filter((one) => one.state === 'check-again')
    assert.deepEqual(
      again.map((one) => one.name),
      ['network', 'template', 'plans'],
    )
    assert.equal((await browser.call('GET', '/v1/setup/review')).status, 409, 'no review of what is not settled')
  })

  interface Check {
    name: string
    state: string
    values: Record<string, string | number>
    detail: string | null
    code: string | null
  }
  async function checks(browser: Browser, section: string, value: unknown): Promise<Check[]> {
    const answer = await browser.call('POST', `/v1/setup/checks/${section}`, { value })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return answer.body['checks'] as Check[]
  }

  test('W8 live checks: a node that lies, one that is silent, plans that do not fit', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    const network = (chainId: number, ...rpcUrls: string[]) => ({ chain: { chainId, rpcUrls }, publicChain: true })
    const state = (list: Check[], name: string): [string, string | null] => {
      const one = list.find((check) => check.name === name)
      return [one?.state ?? 'not asked', one?.code ?? null]
    }
    const good = await checks(browser, 'chain', network(31337, chain.url))
    assert.deepEqual(
      good.filter((check) => check.state === 'failed'),
      [],
    )
    assert.deepEqual(state(await checks(browser, 'chain', network(1, chain.url)), 'rpc-answers'), ['failed', 'wrong-chain'])
    const front = await startRpcFront(chain.url)
    t.after(() => front.close())
    const lying = await checks(browser, 'chain', network(31337, front.url('sentinel-other-chain')))
    assert.deepEqual(state(lying, 'rpc-answers'), ['failed', 'wrong-chain'])
    for (const fault of ['sentinel-no-finalized', 'sentinel-null-finalized'] as const) {
      const never = await checks(browser, 'chain', network(31337, front.url(fault)))
      assert.deepEqual(state(never, 'rpc-finalized'), ['failed', 'rpc-unreachable'])
      assert.ok(front.struck(fault) > 0)
    }
    const unheard = await getPort({ host: '127.0.0.1' })
    const silent = await checks(browser, 'chain', network(31337, `http://127.0.0.1:${unheard}/KEYKEYKEYKEYKEYKEY`))
    assert.deepEqual(state(silent, 'rpc-answers'), ['failed', 'rpc-unreachable'])
    assert.ok(!JSON.stringify(silent).includes('KEYKEY'), 'the key of the address is not told again')
    await browser.call('PUT', '/v1/setup/answers/hypervisor', { revision: 0, value: { hypervisor: { kind: 'fake' } } })
    const large = await checks(browser, 'plans', { plans: [{ ...plan, diskGiB: 10_000_000 }] })
    assert.deepEqual(state(large, 'plans-fit'), ['failed', 'capacity-exceeded'])
    await browser.call('PUT', '/v1/setup/answers/chain', { revision: 0, value: network(31337, chain.url) })
    const token = await checks(browser, 'plans', { plans: [{ ...plan, prices: { [deployer.address]: '1' } }] })
    assert.deepEqual(state(token, 'plans-tokens'), ['failed', 'config-invalid'])
  })

  test('W8 live check of funds: no key yet, an empty key with its address, a paid one with its amount, a contract that is taken', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    await browser.call('PUT', '/v1/setup/answers/chain', { revision: 0, value: answersFor()['chain'] })
    const funds = async (deployment: string) => {
      const found = await checks(browser, 'people', { ...people, deployment })
      return found.find((check) => check.name === 'key-funds')
    }
    const before = await funds('key')
    assert.equal(before?.state, 'warned')
    assert.match(before.detail ?? '', /^A key of this host needs 0\.12 to deploy/)
    await assert.rejects(access(join(host.folder, 'secrets/deployer.key')), 'a check makes no key')

    const { address } = await loadOrCreateKey(join(host.folder, 'secrets/deployer.key'))
    const empty = await funds('key')
    assert.equal(empty?.state, 'warned')
    assert.ok(empty.detail?.startsWith(`${address} holds 0.0; the key of this host needs 0.12 `), empty.detail ?? '')
    await chain.rpc('anvil_setBalance', address, '0x1aa535d3d0c0000')
    const paid = await funds('key')
    assert.deepEqual([paid?.state, paid?.values], ['passed', { address, balance: '0.12', needed: '0.12' }])
    await chain.rpc('anvil_setBalance', address, '0x1aa535d3d0bffff')
    assert.equal((await funds('key'))?.state, 'warned', 'one wei is missing')
    const start = await funds('wallet')
    assert.deepEqual([start?.state, start?.values], ['warned', { needed: '0.000000000001' }], 'the provisioner has no key yet')

    const contracts = [{ address: deployer.address, fromBlock: 0 }]
    const taken = await browser.call('PUT', '/v1/setup/answers/existing', { revision: 0, value: { contracts } })
    assert.equal(taken.status, 200, JSON.stringify(taken.body))
    assert.deepEqual([(await funds('key'))?.state, (await funds('key'))?.values], ['passed', {}])
  })

  test('W8 live checks of backups: nobody named, a recipient with a typing mistake, a folder that is missing, a file in its place, no drive of its own', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    const found = async (backup: Record<string, unknown>) =>
      (await checks(browser, 'backup', { backup })).map(({ name, state, code }) => [name, state, code])
    const { recipient } = await newRecoveryKey()
    const mistyped = recipient.slice(0, -1) + (recipient.endsWith('q') ? 'p' : 'q')
    const folder = await mkdtemp('/tmp/fh-kept-')
    t.after(() => rm(folder, { recursive: true }))
    const passphraseFile = join(host.folder, 'passphrase')
    await writeFile(passphraseFile, 'short', { mode: 0o600 })

    assert.deepEqual(await found({}), [['backup-key', 'warned', null]])
    assert.deepEqual((await found({ recipient: mistyped }))[0], ['backup-key', 'failed', 'config-invalid'])
    assert.deepEqual((await found({ passphraseFile }))[0], ['backup-key', 'failed', 'config-unreadable'])
    assert.deepEqual(await found({ recipient, folder: join(folder, 'missing') }), [
      ['backup-key', 'passed', null],
      ['backup-folder', 'failed', 'backup-folder-missing'],
    ])
    assert.deepEqual((await found({ recipient, folder: passphraseFile }))[1], [
      'backup-folder',
      'failed',
      'backup-folder-missing',
    ])
    assert.deepEqual(await found({ recipient }), [
      ['backup-key', 'passed', null],
      ['backup-folder', 'warned', null],
    ])
    assert.deepEqual((await found({ recipient, folder: '/dev/shm' }))[1], ['backup-folder', 'passed', null])
    assert.deepEqual(await readdir(folder), [], 'a check writes nothing')
  })

  test('W8 two nodes of different histories are told apart', async (t) => {
    const host = await openHost(t)
    const other = await startTestChain('0x00000000000000000000000000000000000000a4')
    t.after(() => other.close())
    await other.mine(3)
    await chain.mine(3)
    const browser = await host.entered()
    const found = await checks(browser, 'chain', {
      chain: { chainId: 31337, rpcUrls: [chain.url, other.url] },
      publicChain: true,
    })
    assert.equal(found.find((check) => check.name === 'rpc-agree')?.state, 'failed')
  })

  test('W9 W10 the review shows every change before anything is made; the answer file is what was clicked', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    const { recipient } = await newRecoveryKey()
    await answerAll(browser, { backup: { backup: { recipient } } })
    const { body } = await browser.call('GET', '/v1/setup/review')
    const changes = body['changes'] as { kind: string; undo: string; costWei: string | null; values: Record<string, string> }[]
    assert.deepEqual(
      changes.map((change) => change.kind),
      ['storage', 'template', 'key', 'funds', 'contract', 'plan', 'file', 'storefront', 'backup'],
    )
    assert.deepEqual(changes.at(-1)?.values, { folder: join(host.folder, 'backups'), recipient })
    assert.deepEqual(changes.find((change) => change.kind === 'contract')?.undo, 'no')
    assert.ok(BigInt(changes.find((change) => change.kind === 'contract')?.costWei ?? 0) > 0n)
    await assert.rejects(access(join(host.folder, 'freehold.yaml')), 'nothing has happened')
    await assert.rejects(access(join(host.folder, 'secrets/provisioner.key')))
    const file = (await browser.call('GET', '/v1/setup/answer-file')).body['text'] as string
    const config = parseConfig(file, 'answers')
    assert.deepEqual([config.plans[0]?.name, config.deployment, config.chain.rpcUrls], ['Small', 'wallet', [chain.url]])
    assert.equal(config.backup.recipient, recipient)
    await assert.rejects(access(join(host.folder, 'backups')), 'no folder was made for looking')
  })

  test('W10 a key in the address of a node is left out of the answer file, and the file says so', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    await answerAll(browser)
    const rpcUrls = ['https://user:hunter2@rpc.example/v3/0123456789abcdef0123456789abcdef']
    const chainAnswer = { chain: { chainId: 31337, rpcUrls }, publicChain: true }
    await browser.call('PUT', '/v1/setup/answers/chain', { revision: 1, value: chainAnswer })
    for (const name of ['people', 'plans']) {
      await browser.call('PUT', `/v1/setup/answers/${name}`, { revision: 1, value: answersFor()[name] })
    }
    const { body } = await browser.call('GET', '/v1/setup/answer-file')
    assert.deepEqual(body['leftOut'], ['/chain/rpcUrls/0'])
    assert.ok(!/hunter2|0123456789abcdef/.test(body['text'] as string))
    assert.match(body['text'] as string, /#\s+\/chain\/rpcUrls\/0/)
    assert.throws(
      () => parseConfig(body['text'] as string, 'answers'),
      (error: AppError) =>
        error.fields.some(({ pointer, detail }) => pointer === '/chain/rpcUrls/0' && detail.includes('LEFT-OUT')),
    )
  })

  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const end = performance.now() + 30_000
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (performance.now() > end) throw new Error(`${what}: not within 30 s`)
      await systemClock.wait(50)
    }
  }

  /** Pays what setup waits for, and resolves with the configuration once the storefront is open. */
  async function paidAndOpen({ folder }: Host) {
    const admin = createClient({ socket: join(folder, 'run/admin.sock') })
    const payee = await until('an address to pay', async () => {
      const { items } = await admin.call(tasksPageSchema, 'GET', '/v1/tasks?limit=50')
      return /waiting for .* at (0x[0-9a-fA-F]{40})/.exec(items.map(({ steps }) => steps.map((one) => one.phase)).join())?.[1]
    })
    await chain.rpc('anvil_setBalance', payee, '0xde0b6b3a7640000')
    await until('the storefront', async () => {
      const { storefront } = await admin.call(statusSchema, 'GET', '/v1/status')
      return storefront === 'open' ? true : undefined
    })
    return parseConfig(await readFile(join(folder, 'freehold.yaml'), 'utf8'), 'freehold.yaml')
  }

  test('W10 W15 what the wizard exports, freehold apply reproduces on another machine', async (t) => {
    const clicked = await openHost(t)
    const browser = await clicked.entered()
    const { recipient } = await newRecoveryKey()
    await answerAll(browser, { people: { ...people, deployment: 'key' }, backup: { backup: { recipient } } })
    const text = (await browser.call('GET', '/v1/setup/answer-file')).body['text'] as string
    assert.equal((await browser.call('POST', '/v1/setup/run', {})).status, 202)
    const first = await paidAndOpen(clicked)
    // the file names the very address at which guests log in
    await clicked.stop()

    const other = await openHost(t)
    const file = join(other.folder, 'answers.yaml')
    await writeFile(file, text, { mode: 0o600 })
    const apply = promisify(execFile)(process.execPath, [freehold, '--state', other.folder, 'apply', file], { timeout: 60_000 })
    const [second] = await Promise.all([paidAndOpen(other), apply])
    assert.deepEqual([first.contracts.length, second.contracts.length], [1, 1])
    assert.notEqual(second.contracts[0]?.address, first.contracts[0]?.address)
    assert.deepEqual({ ...second, contracts: [] }, { ...first, contracts: [] })
  })

  test('I7 the whole setup: a wallet deploys, the daemon dies meanwhile, one contract, no code left behind', async (t) => {
    const host = await openHost(t)
    const browser = await host.entered()
    const { recipient, identity } = await newRecoveryKey()
    const folder = await mkdtemp('/tmp/fh-kept-')
    t.after(() => rm(folder, { recursive: true }))
    await answerAll(browser, { backup: { backup: { recipient, folder } } })
    assert.equal((await browser.call('POST', '/v1/setup/run', {})).status, 202)
    const address = await until('the provisioner', async () => {
      const { body } = await browser.call('GET', '/v1/setup/log?after=0')
      return JSON.stringify(body).match(/provisioner (0x[0-9a-fA-F]{40})/)?.[1]
    })
    // a phase is on no disk: the page must be told of it nevertheless, or nobody knows what to pay where
    await until('the phase of the step', async () => {
      const { body } = await browser.call('GET', '/v1/setup/wizard')
      const { steps } = body['task'] as { steps: { state: string; phase: string | null }[] }
      const phase = steps.find((step) => step.state === 'running')?.phase ?? ''
      return phase.includes(address) && phase.startsWith('waiting for ') ? true : undefined
    })
    const busy = await browser.call('PUT', '/v1/setup/answers/plans', { revision: 1, value: { plans: [plan] } })
    assert.equal(busy.status, 409, 'what is being made is not changed under the hand')
    await chain.rpc('anvil_setBalance', address, '0xde0b6b3a7640000')
    type Wallet = { to: string | null; data: string; chainId: number }
    const asked = async (): Promise<Wallet | undefined> =>
      ((await browser.call('GET', '/v1/setup/wizard')).body['wallet'] as Wallet | null) ?? undefined
    const before = await until('the deployment', asked)
    await host.restart()
    assert.equal((await browser.call('GET', '/v1/setup/wizard')).body['next'], 'run')
    // it goes on by itself; asking once more changes nothing
    assert.equal((await browser.call('POST', '/v1/setup/run', {})).status, 202)
    const deployment = await until('the deployment again', asked)
    assert.deepEqual(deployment, before, 'the same contract is asked for')
    const provider = new JsonRpcProvider(chain.url, 31337, { staticNetwork: true, cacheTimeout: -1 })
    t.after(() => provider.destroy())
    await chain.rpc('anvil_setBalance', deployer.address, '0xde0b6b3a7640000')
    await chain.rpc('evm_setAutomine', false)
    t.after(() => chain.rpc('evm_setAutomine', true))
    const sent = await deployer.connect(provider).sendTransaction({ to: deployment.to, data: deployment.data })
    const noted = await browser.call('POST', '/v1/setup/wallet-transaction', { hash: sent.hash })
    assert.equal(noted.status, 204)
    await chain.mine(2)
    await until('the storefront', async () => {
      const { body } = await browser.call('GET', '/v1/status').catch(() => ({ body: {} as Record<string, unknown> }))
      return body['storefront'] === 'open' ? true : undefined
    })
    const config = parseConfig(await readFile(join(host.folder, 'freehold.yaml'), 'utf8'), 'freehold.yaml')
    assert.equal(config.contracts.length, 1)
    // the door that was there before it had a name: what the machine's screen and the command line read
    const own = createClient({ socket: join(host.folder, 'run/admin.sock') })
    const { origin, chain: told } = await own.call(statusSchema, 'GET', '/v1/status')
    assert.deepEqual([origin, told.chainId, told.confirmations], [config.origin, 31337, config.chain.confirmations])
    await assert.rejects(access(join(host.folder, 'run/setup-code')))
    // what was named on the page opens what setup made, without this host
    const sealed = (await readdir(folder)).filter((name) => name.endsWith('.tar.gz.age'))
    assert.equal(sealed.length, 1)
    const manifest = await readInThread({ path: join(folder, sealed[0] ?? ''), open: { identity } })
    assert.equal(manifest.origin, 'http://localhost:8080')
    for (const [method, path, body] of guarded) {
      assert.equal((await browser.call(method, path, body)).status, 404, `${path} is gone`)
    }
  })
})
