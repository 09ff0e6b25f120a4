import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseCidr } from './address.ts'
import { decodeDump, setArguments } from './kernel-device.ts'
import { generateKeyPair, generatePresharedKey, secretTag } from './key.ts'

const [own, peer, silent] = [generateKeyPair(), generateKeyPair(), generateKeyPair()]
const presharedKey = generatePresharedKey()

// lines as wg(8) describes them for the kernel's interface; the values of a peer that was never heard are its words for "none"
const dump = [
  [own.privateKey, own.publicKey, '51820', '0x2a'],
  [
    peer.publicKey,
    presharedKey,
    '[2a01:7e00::1]:51820',
    '10.0.0.2/32,2a01:7e00:a00::/64',
    '1763760000',
    '18446744073709551615',
    '148',
    '25',
  ],
  [silent.publicKey, '(none)', '(none)', '(none)', '0', '0', '0', 'off'],
]
const text = `${dump.map((fields) => fields.join('\t')).join('\n')}\n`

suite('WireGuard of the kernel, through wg', () => {
  test('what wg tells is read without its secrets', () => {
    const state = decodeDump(text)
    assert.deepEqual([state.publicKey, state.listenPort, state.fwmark], [own.publicKey, 51_820, 42])
    assert.deepEqual(state.peers, [
      {
        publicKey: peer.publicKey,
        presharedKeyTag: secretTag(presharedKey),
        endpoint: { host: '2a01:7e00::1', port: 51_820 },
        allowedIps: ['10.0.0.2/32', '2a01:7e00:a00::/64'],
        persistentKeepaliveSeconds: 25,
        lastHandshakeSeconds: 1_763_760_000,
        receivedBytes: 2n ** 64n - 1n,
        sentBytes: 148n,
      },
      {
        publicKey: silent.publicKey,
        presharedKeyTag: null,
        endpoint: null,
        allowedIps: [],
        persistentKeepaliveSeconds: 0,
        lastHandshakeSeconds: 0,
        receivedBytes: 0n,
        sentBytes: 0n,
      },
    ])
    const told = JSON.stringify(state, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    assert.ok(!told.includes(own.privateKey) && !told.includes(presharedKey))
  })

  test('an interface without a key, or what is none of these lines, is not taken for one', () => {
    assert.equal(decodeDump('(none)\t(none)\t0\toff\n').publicKey, null)
    assert.throws(() => decodeDump('nonsense\n'), { code: 'bad-key' })
    assert.throws(() => decodeDump(`${dump[0]?.join('\t')}\nnonsense\n`), { code: 'bad-key' })
  })

  test('keys go by files, never as arguments; removals come first, and nothing ever replaces all peers', () => {
    const { args, files } = setArguments(
      'wg0',
      {
        privateKey: own.privateKey,
        peers: [
          { kind: 'add', publicKey: peer.publicKey, presharedKey, allowedIps: [parseCidr('10.0.0.2')] },
          { kind: 'remove', publicKey: silent.publicKey },
        ],
      },
      '/run/secrets',
    )
    assert.deepEqual(args, [
      'set',
      'wg0',
      'private-key',
      '/run/secrets/0',
      'peer',
      silent.publicKey,
      'remove',
      'peer',
      peer.publicKey,
      'preshared-key',
      '/run/secrets/1',
      'allowed-ips',
      '10.0.0.2/32',
    ])
    assert.deepEqual([...files.values()], [own.privateKey, presharedKey])
    assert.ok(!args.includes(own.privateKey) && !args.includes(presharedKey))
  })
})
