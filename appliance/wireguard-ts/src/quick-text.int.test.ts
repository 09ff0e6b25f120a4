import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parseCidr, parseInterfaceAddress } from './address.ts'
import { generateKeyPair, generatePresharedKey, publicKeyOf, type PrivateKey } from './key.ts'
import { KernelDevice } from './kernel-device.ts'
import { parseQuickText, quickText, strippedText, type QuickConfig } from './quick-text.ts'
import { runOrFail } from './run.ts'
import { startUserspaceDaemon } from './userspace-daemon.ts'

const { privateKey, publicKey } = generateKeyPair()
const base = `[Interface]\nPrivateKey = ${privateKey}\n`

/** Any configuration that the types allow. */
const anyConfig: fc.Arbitrary<QuickConfig> = fc
  .record(
    {
      listenPort: fc.integer({ min: 0, max: 65535 }),
      fwmark: fc.integer({ min: 0, max: 0xffffffff }),
      mtu: fc.integer({ min: 576, max: 65535 }),
      table: fc.constantFrom('auto', 'off', '51820'),
      saveConfig: fc.boolean(),
      addresses: fc.array(
        fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseInterfaceAddress(text)),
        { maxLength: 3 },
      ),
      dns: fc.array(fc.oneof(fc.ipV4(), fc.domain()), { maxLength: 2 }),
      peers: fc.array(anyPeer(), { maxLength: 4 }),
    },
    { requiredKeys: ['addresses', 'dns', 'peers'], noNullPrototype: true },
  )
  .map((record) => ({ ...record, privateKey, hooks: { preUp: [], postUp: [], preDown: [], postDown: [] } }) as QuickConfig)

function anyPeer(): fc.Arbitrary<QuickConfig['peers'][number]> {
  return fc
    .record(
      {
        endpoint: fc.record(
          { host: fc.oneof(fc.ipV4(), fc.constant('2001:db8::1')), port: fc.integer({ min: 1, max: 65535 }) },
          { noNullPrototype: true },
        ),
        persistentKeepaliveSeconds: fc.integer({ min: 1, max: 65535 }),
        presharedKey: fc.constant(null).map(() => generatePresharedKey()),
        allowedIps: fc.uniqueArray(
          fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseCidr(text)),
          { maxLength: 3 },
        ),
      },
      { requiredKeys: ['allowedIps'], noNullPrototype: true },
    )
    .map((record) => ({ ...record, publicKey: generateKeyPair().publicKey }))
}

suite('wg-quick text', () => {
  for (const [what, text, line, code] of [
    ['nothing', '', 1, 'bad-config'],
    ['no private key', '[Interface]\nListenPort = 1\n', 1, 'bad-config'],
    ['two interfaces', `${base}[Interface]\n`, 3, 'bad-config'],
    ['an unknown key', `${base}Colour = red\n`, 3, 'bad-config'],
    ['an unknown section', `${base}[Friend]\n`, 3, 'bad-config'],
    ['a port of 70000', `${base}ListenPort = 70000\n`, 3, 'bad-config'],
    ['a private key twice', `${base}PrivateKey = ${privateKey}\n`, 3, 'bad-config'],
    ['a peer without key', `${base}[Peer]\nAllowedIPs = ::/0\n`, 4, 'bad-config'],
    ['a peer with a short key', `${base}[Peer]\nPublicKey = abc=\n`, 4, 'bad-key'],
    ['a peer with a wrong network', `${base}[Peer]\nPublicKey = ${publicKey}\nAllowedIPs = 10.0.0.0/40\n`, 5, 'bad-address'],
    ['a line before any section', `MTU = 1420\n${base}`, 1, 'bad-config'],
    ['a hook', `${base}PostUp = touch /tmp/x\n`, 3, 'bad-config'],
    ['a NUL byte', `${base}MTU = 14\0\n`, 1, 'bad-config'],
    ['a table with a shell word', `${base}Table = $(id)\n`, 3, 'bad-config'],
  ] as const) {
    test(`refuses ${what}, naming line ${line}`, () => {
      assert.throws(
        () => parseQuickText(text),
        (error: Error & { code: string; line: number; hint: string }) => {
          assert.deepEqual([error.code, error.line], [code, line])
          assert.ok(error.hint.length > 0 && !error.message.includes(privateKey))
          return true
        },
      )
    })
  }

  test('a value with a line break is never written', () => {
    const config = parseQuickText(base)
    assert.throws(() => quickText({ ...config, table: 'off\nPostUp = id' }), { code: 'bad-config' })
    assert.throws(() => strippedText({ privateKey: `${privateKey}\nx` as PrivateKey, peers: [] }), { code: 'bad-config' })
  })

  test('keeps hooks only where told, reads any case, comments and repeated keys', () => {
    const text = `# a comment\n[interface]\nprivatekey=${privateKey} # mine\nADDRESS = 10.0.0.1/24\nAddress = fd00::1/64, 10.0.0.2/32\nPostUp = echo a = b\nPostUp = two\n`
    const config = parseQuickText(text, { hooks: 'keep' })
    assert.deepEqual(config.addresses, ['10.0.0.1/24', 'fd00::1/64', '10.0.0.2/32'])
    assert.deepEqual(config.hooks.postUp, ['echo a = b', 'two'])
  })

  test('goes to text and back unchanged', () => {
    fc.assert(
      fc.property(anyConfig, (config) => assert.deepEqual(parseQuickText(quickText(config)), config)),
      { numRuns: 300 },
    )
  })

  test('`wg` reads the stripped form as it was meant', async (t) => {
    const name = `fhq${process.pid % 100000}`
    const daemon = await startUserspaceDaemon(name)
    t.after(() => daemon.stop())
    const device = new KernelDevice(name)
    for (const config of fc.sample(anyConfig, 15)) {
      const peers = config.peers.map((peer, i) => ({
        ...peer,
        allowedIps: peer.allowedIps.length === 0 ? [] : [parseCidr(`10.50.${i}.0/24`)],
      }))
      const text = strippedText({ ...config, peers, listenPort: 0 })
      await syncThroughFile(name, text)
      const state = await device.read()
      assert.equal(state.publicKey, publicKeyOf(config.privateKey))
      assert.deepEqual(state.peers.map((peer) => peer.publicKey).toSorted(), peers.map((peer) => peer.publicKey).toSorted())
      for (const peer of peers) {
        const found = state.peers.find((one) => one.publicKey === peer.publicKey)
        assert.deepEqual(found?.allowedIps.toSorted(), peer.allowedIps.toSorted())
        assert.deepEqual(found?.endpoint ?? undefined, peer.endpoint)
        assert.equal(found?.persistentKeepaliveSeconds, peer.persistentKeepaliveSeconds ?? 0)
      }
    }
  })
})

async function syncThroughFile(name: string, text: string): Promise<void> {
  const folder = await mkdtemp('/run/wireguard-test-')
  try {
    await writeFile(`${folder}/${name}.conf`, text, { mode: 0o600 })
    await runOrFail('sync', 'wg', ['syncconf', name, `${folder}/${name}.conf`])
  } finally {
    await rm(folder, { recursive: true })
  }
}
