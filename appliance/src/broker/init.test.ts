import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AppError } from '../errors/app-error.ts'
import { initBroker, type InitAnswers } from './cli/init.ts'
import { parseBrokerConfig } from './config.ts'

describe('init', { timeout: 600_000 }, () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'broker-init-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const answers = (): InitAnswers => ({
    file: join(folder, 'broker.yaml'),
    pool: '2a00:db8:b00::/48',
    endpoint: '8.8.8.8:51820',
    uplink: 'eth0',
    region: 'test-1',
    rpcUrl: 'http://127.0.0.1:8545',
    chainId: 31_337,
    registry: '0x0000000000000000000000000000000000000001',
    brokerId: 0,
    onLink: false,
    feeWei: 0n,
    stateFolder: join(folder, 'state'),
    secretsFolder: join(folder, 'secrets'),
    runFolder: join(folder, 'run'),
  })
  const names: Record<string, string[]> = {
    'good.example.org': ['8.8.8.8'],
    'mixed.example.org': ['8.8.8.8', '10.1.2.3'],
    'empty.example.org': [],
  }
  const lookup = (name: string): Promise<string[]> => {
    const found = names[name]
    return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found)
  }

  for (const [what, over, seen] of [
    ['a pool of documentation', { pool: '2001:db8::/48' }, /2001:db8::\/48 is documentation/],
    ['a ULA pool', { pool: 'fd00::/48' }, /fd00::\/48 is unique local/],
    ['a link-local pool', { pool: 'fe80::/48' }, /is link-local/],
    ['a 6to4 pool', { pool: '2002:102:304::/48' }, /is 6to4/],
    ['a Teredo pool', { pool: '2001:0:1::/48' }, /is Teredo/],
    ['a routed /64', { pool: '2a00:db8:b00:1::/64' }, /set mode to on-link/],
    ['a pool with host bits', { pool: '2a00:db8:b00::1/48' }, /no host bits/],
    ['a pool with a newline', { pool: '2a00:db8:b00::/48\n' }, /no address|no host bits/],
    ['an endpoint in a private network', { endpoint: '192.168.1.5:51820' }, /192\.168\.1\.5 is private/],
    ['an endpoint behind CGNAT', { endpoint: '100.64.0.9:51820' }, /CGNAT/],
    [
      'an endpoint whose name also leads to a private address',
      { endpoint: 'mixed.example.org:51820' },
      /resolves to 10\.1\.2\.3, which is private/,
    ],
    ['an endpoint whose name has no address', { endpoint: 'empty.example.org:51820' }, /has no address/],
    ['a name that does not resolve', { endpoint: 'nobody.invalid:51820' }, /does not resolve|did not resolve/],
    ['an endpoint without port', { endpoint: '8.8.8.8' }, /no endpoint|host:port/],
    ['a zone with a wildcard', { zone: '*.vm.example.org' }, /wildcard/],
    ['a zone with a label of 64', { zone: `${'x'.repeat(64)}.example.org` }, /label of 64 characters/],
    ['a zone with Unicode look-alikes', { zone: 'vm.exаmple.org' }, /is no zone/],
    ['a region with a newline', { region: 'eu\nadmin' }, /region/],
    ['a registry without checksum', { registry: '0xabcdefabcdefabcdefabcdefabcdefabcdefabcd' }, /checksum/],
  ] as const) {
    it(`init refuses ${what}, and writes nothing`, async () => {
      const text = (error: unknown): boolean => seen.test(`${String((error as AppError).detail)} ${(error as AppError).hint}`)
      await assert.rejects(initBroker({ ...answers(), ...over }, lookup), (error) => error instanceof AppError && text(error))
      assert.deepEqual(await readdir(folder), [])
    })
  }

  it('refuses an endpoint whose name resolves late', async () => {
    const late = (): Promise<string[]> => new Promise(() => undefined)
    await assert.rejects(initBroker({ ...answers(), endpoint: 'late.example.org:51820' }, late), {
      code: 'bad-input',
      detail: /did not resolve within 5 s/,
    })
    assert.deepEqual(await readdir(folder), [])
  })

  it('writes a configuration that serve takes, and says what is left; never twice', async () => {
    const result = await initBroker({ ...answers(), endpoint: 'good.example.org:51820', zone: 'vm.example.org' }, lookup)
    const text = await readFile(result.file, 'utf8')
    assert.equal(parseBrokerConfig(text, result.file).names?.zone, 'vm.example.org')
    assert.match(await readFile(join(folder, 'knot.conf'), 'utf8'), /domain: 0\.0\.b\.0\.8\.b\.d\.0\.0\.0\.a\.2\.ip6\.arpa/)
    assert.match(result.register.data, /^0x[0-9a-f]{500,}$/)
    assert.equal(result.todo.length, 5)
    await assert.rejects(initBroker(answers(), lookup), { code: 'not-in-this-state' })
    assert.equal(await readFile(result.file, 'utf8'), text)
  })
})
