import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import { spawn as terminal } from '@lydell/node-pty'
import { encryptKeystoreJsonSync, Wallet } from 'ethers'
import { zeroAddress } from '../chain/subscription.ts'
import { run as runProgram } from '../hypervisor/libvirt/run.ts'

const freehold = resolve(import.meta.dirname, 'freehold.ts')
const contract = '0x5fbdb2315678afecb367f032d93f642f64180aa3'

suite('what a host asks to be paid', () => {
  let server: Server
  let folder = ''
  let origin = ''
  let wallet: string[] = []
  let quote: Record<string, unknown> = {}
  let asked: string[] = []
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-pay-'))
    server = createServer((request, response) => {
      asked.push(request.url ?? '')
      const answer = answers()[(request.url ?? '').split('?')[0] ?? '']
      response.writeHead(answer === undefined ? 500 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answer ?? {}))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { address, privateKey } = new Wallet(`0x${'11'.repeat(32)}`)
    const [file, passphrase] = [join(folder, 'wallet.json'), join(folder, 'passphrase')]
    await writeFile(file, encryptKeystoreJsonSync({ address, privateKey }, 'words', { scrypt: { N: 1024 } }))
    await writeFile(passphrase, 'words', { mode: 0o600 })
    wallet = ['--keystore', file, '--passphrase-file', passphrase]
  })
  beforeEach(() => {
    asked = []
    quote = {
      planId: 0,
      token: zeroAddress,
      symbol: 'ETH',
      decimals: 18,
      seconds: 691_200,
      price: '8000000000000000000',
      contract,
    }
  })
  after(async () => {
    server.close()
    await rm(folder, { recursive: true, force: true })
  })

  function answers(): Record<string, unknown> {
    const prices = [{ token: zeroAddress, symbol: 'ETH', decimals: 18, pricePerDay: '1000000000000000000', permit: false }]
    const plan = {
      planId: 0,
      installation: 'ab'.repeat(6),
      contract,
      name: 'Small',
      kind: 'vm',
      vcpus: 1,
      memoryMiB: 512,
      diskGiB: 4,
      graceSeconds: 86_400,
      activationDeadlineSeconds: 3600,
      minSeconds: 86_400,
      maxSeconds: 7_776_000,
      capacity: 4,
      available: 4,
      open: true,
      prices,
    }
    return {
      '/v1/status': {
        version: '0',
        mode: 'installed',
        origin,
        now: 1,
        storefront: 'open',
        closedBecause: null,
        chain: { chainId: 1, name: 'Test', rpcUrl: origin, confirmations: 1, latest: null, stale: false },
        contracts: [{ installation: 'ab'.repeat(6), address: contract }],
        hypervisor: null,
        notices: [],
      },
      '/v1/plans': { plans: [plan], buyingPaused: false },
      '/v1/quotes': quote,
    }
  }
  const words = (...more: string[]) => [freehold, '--host', origin, ...wallet, 'buy', 'Small', '--for', '8d', ...more]
  /** Without a terminal, as a job runs. */
  const buy = (...more: string[]) => runProgram('setsid', ['-w', process.execPath, ...words(...more)], { timeoutMs: 20_000 })
  /** Nothing was asked of the chain: so nothing was signed and sent. */
  const unpaid = () => assert.ok(!asked.includes('/v1/rpc'), asked.join())

  test('denies a payment that nobody agreed to: a script without --yes', async () => {
    const { code, stdout, stderr } = await buy()
    assert.equal(code, 2, stderr)
    assert.match(stdout, /total\s+8\.0 ETH/)
    assert.match(stderr, /--max AMOUNT --yes/)
    unpaid()
  })
  test('denies a price above --max, also with --yes', async () => {
    const { code, stderr } = await buy('--max', '7.999', '--yes')
    assert.equal(code, 2)
    assert.match(stderr, /It costs 8\.0 ETH, more than --max 7\.999/)
    unpaid()
  })
  for (const max of ['', '-1', '1e3', '0x10', '8 ETH', `1.${'0'.repeat(19)}`]) {
    test(`denies a bound that is none: ${JSON.stringify(max)}`, async () => {
      const { code, stderr } = await buy('--max', max, '--yes')
      assert.equal(code, 2, stderr)
      assert.match(stderr, /is no amount of this token/)
      unpaid()
    })
  }
  const lies: [name: string, lie: Record<string, unknown>][] = [
    ['another plan', { planId: 1 }],
    ['another token', { token: contract }],
    ['another time', { seconds: 86_400 }],
    ['a native coin with its point shifted', { decimals: 30 }],
    ['another contract than the host serves', { contract: `0x${'22'.repeat(20)}` }],
  ]
  for (const [name, lie] of lies) {
    test(`denies a quote for ${name}`, async () => {
      quote = { ...quote, ...lie }
      const { code, stderr } = await buy('--yes')
      assert.notEqual(code, 0)
      assert.match(stderr, /misdirected/)
      unpaid()
    })
  }
  test('at a terminal the price is shown and asked about; anything but yes pays nothing', async () => {
    const pty = terminal(process.execPath, words(), {
      cols: 120,
      rows: 24,
      env: { ...process.env, HOME: folder } as Record<string, string>,
    })
    let screen = ''
    const ended = Promise.withResolvers<number>()
    const shown = Promise.withResolvers<void>()
    pty.onData((data) => {
      screen += data
      if (screen.includes('Pay 8.0 ETH? Type yes to pay: ')) shown.resolve()
    })
    pty.onExit(({ exitCode }) => ended.resolve(exitCode))
    await Promise.race([shown.promise, ended.promise])
    pty.write('y\r')
    assert.equal(await ended.promise, 2, screen)
    assert.match(screen, /Nothing was paid/)
    unpaid()
  })
  test('--yes within --max goes on to the chain', async () => {
    await buy('--max', '8', '--yes')
    assert.ok(asked.includes('/v1/rpc'), asked.join())
  })
})
