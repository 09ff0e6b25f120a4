import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { AppError } from '../errors/app-error.ts'
import { parseConfig } from './load.ts'

const valid = `version: 1
mode: embedded
origin: http://localhost:8080
chain:
  chainId: 31337
  rpcUrls: [http://127.0.0.1:8545]
roles:
  owner: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
  treasury: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
plans:
  - name: Small
    vcpus: 1
    memoryMiB: 512
    diskGiB: 4
    graceDays: 7
    capacity: 4
    prices: { native: "1000000000000000" }
hypervisor:
  kind: fake
`

function mistakes(text: string): string[] {
  try {
    parseConfig(text, 'freehold.yaml')
  } catch (e) {
    assert.ok(e instanceof AppError)
    assert.equal(e.code, 'config-invalid')
    return e.fields.map((f) => `${f.line ?? '-'} ${f.pointer}: ${f.detail}`)
  }
  return []
}

suite('freehold.yaml', () => {
  const cases: [name: string, from: string | RegExp, to: string, expected: RegExp][] = [
    [
      'refuses an unknown field and names its line',
      'mode: embedded',
      'mode: embedded\ncolour: red',
      /^3 \/colour: this field is not known/,
    ],
    ['refuses a wrong address', '"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"', 'nobody', /^9 \/roles\/treasury: an address is/],
    [
      'M7 refuses the zero address as treasury',
      '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
      `0x${'0'.repeat(40)}`,
      /^9 \/roles\/treasury: the treasury must/,
    ],
    [
      'refuses a public chain in embedded mode',
      '31337',
      '1',
      /^\/?\d* ?\/publicChain: embedded mode isolates nothing|^- \/publicChain|\/publicChain/,
    ],
    ['refuses a missing field', 'mode: embedded\n', '', /\/mode: /],
    ['refuses amounts as numbers', '"1000000000000000"', '1000', /^17 \/plans\/0\/prices\/native: /],
    ['refuses a wrong scheme of the RPC', 'http://127.0.0.1:8545', 'ftp://127.0.0.1', /^6 \/chain\/rpcUrls\/0: /],
    ['refuses a file of a newer version', 'version: 1', 'version: 7', /^1 \/version: .*version 7.*update Freehold/],
    ['refuses where a secret was left out', 'http://127.0.0.1:8545', 'http://LEFT-OUT@127.0.0.1:8545', /^6 .*LEFT-OUT stands/],
    [
      'refuses a wrong unit',
      'memoryMiB: 512',
      'memoryMiB: 512M',
      /^13 \/plans\/0\/memoryMiB: "512M" is no number: write digits alone, in the unit/,
    ],
    [
      'refuses ACME without consent to the terms',
      'mode: embedded',
      'mode: embedded\ntls: { kind: acme }',
      /^3 \/tls\/termsAgreed: the terms of the certificate authority must be accepted/,
    ],
    [
      'refuses a directory without TLS',
      'mode: embedded',
      'mode: embedded\ntls: { kind: acme, termsAgreed: true, directory: "http://ca.example/dir" }',
      /^3 \/tls\/directory: /,
    ],
    [
      'refuses a card named otherwise than by its MAC',
      'mode: embedded',
      'mode: embedded\nuplink: { mac: enp3s0, ipv4: dhcp }',
      /^3 \/uplink\/mac: a MAC is/,
    ],
    [
      'refuses an address with its prefix length in one',
      'mode: embedded',
      'mode: embedded\nuplink: { mac: "52:54:00:12:34:56", ipv4: { address: 192.0.2.5/24, prefixLength: 24, gateway: 192.0.2.1 } }',
      /\/uplink\/ipv4/,
    ],
    ['refuses broken YAML', 'version: 1', 'version: [1', /^\d+ : /],
  ]
  for (const [name, from, to, expected] of cases) {
    test(name, () => {
      const found = mistakes(valid.replace(from, to))
      assert.ok(found.length > 0, 'no mistake was found')
      assert.match(found.join('\n'), expected)
    })
  }

  test('accepts the smallest file and fills in the defaults', () => {
    const config = parseConfig(valid, 'freehold.yaml')
    assert.equal(config.taking.waitSeconds, 86_400)
    assert.equal(config.plans[0]?.maxSeconds, 90 * 86_400)
    assert.equal(config.chain.confirmations, 12)
  })
})

suite('brokers of public IPv6', () => {
  const agent = `0x${'1'.repeat(40)}`
  const withBroker = async (network: object, more: object = {}) => {
    const example = parse(await readFile(join(import.meta.dirname, '../../../scripts/embedded.yaml'), 'utf8')) as object
    return stringify({ ...example, mode: 'installed', hypervisor: { kind: 'libvirt' }, network, ...more })
  }
  const known = (fields: object = {}) => ({
    name: 'a',
    url: 'https://broker.example.org',
    agent,
    pool: '2a01:7e00:a00::/48',
    ...fields,
  })
  const cases: [string, object, object, string][] = [
    ['neither registry nor broker', { broker: {} }, {}, '/network/broker/registry'],
    [
      'a prefix of one’s own beside it',
      { broker: { known: [known()] }, ipv6: { prefix: '2a01:7e00:1::', prefixLength: 64 } },
      {},
      '/network/broker',
    ],
    ['embedded mode', { broker: { known: [known()] } }, { mode: 'embedded' }, '/network/broker'],
    ['a documentation pool', { broker: { known: [known({ pool: '2001:db8::/32' })] } }, {}, '/network/broker/known/0/pool'],
    ['a ULA pool', { broker: { known: [known({ pool: 'fd00::/48' })] } }, {}, '/network/broker/known/0/pool'],
    ['an IPv4 pool', { broker: { known: [known({ pool: '45.33.0.0/16' })] } }, {}, '/network/broker/known/0/pool'],
    ['plain http', { broker: { known: [known({ url: 'http://broker.example.org' })] } }, {}, '/network/broker/known/0/url'],
    ['four at once', { broker: { known: [known()], count: 4 } }, {}, '/network/broker/count'],
    [
      'a proof by a broker where there is none',
      { ipv6: null },
      { tls: { kind: 'acme', termsAgreed: true, proof: 'broker' } },
      '/tls/proof',
    ],
    ['two of one name', { broker: { known: [known(), known()] } }, {}, '/network/broker/known/1/name'],
  ]
  for (const [what, network, more, pointer] of cases) {
    test(`denies ${what}, naming the very field`, async () => {
      const text = await withBroker(network, more)
      assert.throws(
        () => parseConfig(text, 'answers'),
        (error: AppError) => error.code === 'config-invalid' && error.fields.some((field) => field.pointer === pointer),
      )
    })
  }

  test('takes a registry, and one broker at a time unless told', async () => {
    const { network } = parseConfig(await withBroker({ broker: { registry: agent } }), 'answers')
    assert.equal(network.broker?.count, 1)
    assert.equal(network.broker?.path, 'http')
  })
})
