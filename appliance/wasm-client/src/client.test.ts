import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { CompactSign, type JWK } from 'jose'
import { canonicalJson } from '../../src/wasm/protocol/canonical.ts'
import { commit, type CommitmentScheme } from '../../src/wasm/protocol/commitment.ts'
import { setupRecipient } from '../../src/wasm/protocol/hpke.ts'
import { leafHash, MerkleTree } from '../../src/wasm/protocol/merkle-tree.ts'
import { publicJwk, signHead, signReceipt, type Receipt } from '../../src/wasm/protocol/receipt.ts'
import { requestAad, requestInfo } from '../../src/wasm/protocol/request-binding.ts'
import { responseSecret, sealResponse } from '../../src/wasm/protocol/response-seal.ts'
import { createWasmClient, WasmCallError, WasmTrustError, type ClientOptions } from './client.ts'
import type { HostKey, RunRequest, SealedRequest } from './seal.ts'

const wasm = randomBytes(200)
const request: RunRequest = { function_name: 'main', arguments: [{ value: 42 }], timeout_seconds: 5 }
const answer42 = [{ type: 'i32', value: 42 }]

/** What a host may lie about; each names the one thing that is not as it should be. */
interface Lies {
  /** Signs receipts and heads. */
  signing?: KeyObject
  receipt?: Partial<Receipt>
  /** What the sealed answer says came out. */
  results?: unknown
  scheme?: CommitmentScheme
  failed?: boolean
  /** The receipt text in the answer. */
  jws?: string
  summary?: Record<string, unknown>
  keys?(document: Record<string, unknown>): Record<string, unknown>
  place?(told: Record<string, unknown>): Record<string, unknown> | Promise<Record<string, unknown>>
}

/** A host in this process: seals, signs and keeps its log like a real one, and lies where it is told to. */
async function fakeHost(lies: Lies = {}) {
  const own = generateKeyPairSync('ed25519').privateKey
  const sealing = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = sealing.publicKey.export({ format: 'jwk' })
  const offered: HostKey = { kid: 'k1', kty: 'EC', crv: 'P-256', x, y, expires_at: '2030-01-01T00:00:00Z' }
  const publicRaw = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  const hostKey: JWK = await publicJwk(createPublicKey(own))
  const tree = new MerkleTree()
  const texts: string[] = []

  async function keysDocument(): Promise<Record<string, unknown>> {
    const keys = [offered]
    const jws = await new CompactSign(canonicalJson({ keys })).setProtectedHeader({ alg: 'EdDSA' }).sign(own)
    return lies.keys?.({ keys, jws, host_key: hostKey }) ?? { keys, jws, host_key: hostKey }
  }

  async function execute(body: SealedRequest): Promise<Response> {
    const enc = Buffer.from(body.public_key, 'base64')
    const context = setupRecipient({ privateKey: sealing.privateKey, publicRaw }, enc, requestInfo(body.key_id))
    const program = context.open(Buffer.from(body.encrypted_wasm, 'base64'), requestAad(body))
    const [salt, failed, scheme] = [randomBytes(32), lies.failed ?? false, lies.scheme ?? 'hiding']
    const requestId = randomUUID()
    const receipt: Receipt = {
      request_id: requestId,
      kid: 'k1',
      program: commit(scheme, 'program', program, salt),
      arguments: commit(scheme, 'arguments', canonicalJson(body.arguments), salt),
      result: failed ? null : commit(scheme, 'result', canonicalJson(answer42), salt),
      commitment_scheme: scheme,
      gas_used: '7',
      gas_exact: true,
      gas_schedule: 'g1',
      engine: 'fake',
      status: failed ? 'trapped' : 'returned',
      started_at: 0,
      ended_at: 0,
      prev_hash: '0'.repeat(64),
      index: tree.size,
      ...lies.receipt,
    }
    const jws = signReceipt(receipt, lies.signing ?? own, 'host')
    tree.append(leafHash(Buffer.from(jws)))
    texts.push(jws)
    const summary = { status: receipt.status, gas_used: '7', ...lies.summary }
    const results = lies.results ?? (failed ? null : answer42)
    const sealed = sealResponse(responseSecret(context), enc, canonicalJson({ results, salt: salt.toString('hex') }), {
      requestId,
      resultCommitment: receipt.result ?? '',
      summary,
    })
    const said = {
      request_id: requestId,
      encrypted_result: sealed.toString('base64'),
      result_commitment: receipt.result ?? '',
      execution_summary: summary,
      receipt: lies.jws ?? jws,
    }
    return failed ? Response.json({ error_code: 'WASM_TRAP', message: 'trapped', ...said }, { status: 422 }) : Response.json(said)
  }

  async function verify(): Promise<Record<string, unknown>> {
    const head = { size: tree.size, root: tree.root().toString('hex'), timestamp: 0 }
    const index = 0
    const hashes = tree.inclusionProof(index, tree.size).map((hash) => hash.toString('hex'))
    const told = {
      verified: true,
      inclusion_proof: { index, size: head.size, hashes, root: head.root },
      log_head: signHead(head, own, 'host'),
    }
    return (await lies.place?.(told)) ?? told
  }

  const fetch: typeof globalThis.fetch = async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    if (pathname === '/v1/keys') return Response.json(await keysDocument())
    if (pathname === '/v1/execute') return await execute(JSON.parse(init?.body as string) as SealedRequest)
    return Response.json(await verify())
  }
  const client = (more: Partial<ClientOptions> = {}) =>
    createWasmClient({ url: 'http://host', apiKey: 'key', hostKey, fetch, ...more })
  return { client, hostKey, own, texts, run: async (more?: Partial<ClientOptions>) => await client(more).run(wasm, request) }
}

const untrusted = (pattern: RegExp) => (error: unknown) => error instanceof WasmTrustError && pattern.test(error.message)
const stranger = generateKeyPairSync('ed25519').privateKey

suite('what the client does not believe', () => {
  test('a host that signs with another key than the one it is pinned to', async () => {
    const host = await fakeHost()
    const pinned = { hostKey: await publicJwk(createPublicKey(stranger)) }
    await assert.rejects(host.run(pinned), untrusted(/another key/))
  })

  test('a host whose key nobody named', async () => {
    const host = await fakeHost()
    assert.throws(() => host.client({ hostKey: undefined } as unknown as Partial<ClientOptions>), untrusted(/No key .* pinned/))
  })

  test('a host that signs with another key than the one first seen', async () => {
    const other = await publicJwk(createPublicKey(stranger))
    const named: JWK[] = []
    const host = await fakeHost({
      keys: (document) => {
        named.push(document['host_key'] as JWK)
        return named.length > 1 ? { ...document, host_key: other } : document
      },
    })
    const client = host.client({ hostKey: 'first-seen' })
    const { jws } = await client.run(wasm, request)
    await assert.rejects(client.check(jws), untrusted(/another key/))
    assert.equal(named.length, 2)
  })

  for (const [what, keys] of [
    ['with a key slipped in', (document) => ({ ...document, keys: [{ kid: 'theirs' }] })],
    ['with a broken signature', (document) => ({ ...document, jws: `${String(document['jws']).slice(0, -4)}AAAA` })],
    ['without a signature', (document) => ({ ...document, jws: undefined })],
    ['without a key of the host', (document) => ({ ...document, host_key: undefined })],
  ] satisfies [string, NonNullable<Lies['keys']>][]) {
    test(`a key document ${what}`, async () => {
      await assert.rejects((await fakeHost({ keys })).run(), untrusted(/not those that the host has signed|another key/))
    })
  }

  const forged: [string, Lies, RegExp][] = [
    ['a receipt that somebody else signed', { signing: stranger }, /not signed by this host/],
    ['a receipt that is no text of one', { jws: 'a.b.c' }, /not signed by this host/],
    ['a receipt of another request', { receipt: { request_id: 'other' } }, /another run/],
    ['a receipt of another program', { receipt: { program: '00'.repeat(32) } }, /another run/],
    ['a receipt of other arguments', { receipt: { arguments: '00'.repeat(32) } }, /another run/],
    ['a receipt of other gas', { receipt: { gas_used: '6' } }, /another run/],
    ['a receipt of a run that failed', { receipt: { status: 'trapped', result: null } }, /another run/],
    ['a result that the receipt does not commit to', { results: [{ type: 'i32', value: 43 }] }, /another run/],
    ['a forged result under plain-sha256', { scheme: 'plain-sha256', results: [{ type: 'i32', value: 43 }] }, /another run/],
    ['a scheme called something else', { receipt: { commitment_scheme: 'none' } }, /another run/],
    ['a salted receipt that calls itself plain', { receipt: { commitment_scheme: 'plain-sha256' } }, /another run/],
    ['a failed run whose receipt somebody else signed', { failed: true, signing: stranger }, /not signed by this host/],
    ['a failed run without a receipt', { failed: true, jws: '' }, /not signed by this host/],
    ['a failed run whose receipt is of another program', { failed: true, receipt: { program: '00'.repeat(32) } }, /another run/],
    ['a failed run that is billed more than its receipt says', { failed: true, summary: { gas_used: '8' } }, /another run/],
    ['a failed run whose receipt commits to a result', { failed: true, receipt: { result: '00'.repeat(32) } }, /another run/],
  ]
  for (const [what, lies, pattern] of forged) {
    test(what, async () => await assert.rejects((await fakeHost(lies)).run(), untrusted(pattern)))
  }

  test('a failed run that is told as a success in its receipt', async () => {
    const host = await fakeHost({ failed: true, receipt: { status: 'returned', result: '00'.repeat(32) } })
    await assert.rejects(host.run(), WasmTrustError)
  })

  /** A log of this one leaf, with the head that goes with it. */
  const oneLeaf = async (jws: string, key: KeyObject) => {
    const root = leafHash(Buffer.from(jws)).toString('hex')
    return {
      inclusion_proof: { index: 0, size: 1, hashes: [], root },
      log_head: signHead({ size: 1, root, timestamp: 0 }, key, 'host'),
    }
  }
  const places: [string, (told: Record<string, unknown>, jws: string) => object | Promise<object>][] = [
    [
      'a log of one leaf whose head nobody signed',
      async (_, jws) => ({ ...(await oneLeaf(jws, stranger)), log_head: undefined }),
    ],
    ['a log of one leaf whose head somebody else signed', (_, jws) => oneLeaf(jws, stranger)],
    [
      'a log of one leaf beside the true head',
      async (told, jws) => ({ ...told, ...(await oneLeaf(jws, stranger)), log_head: told['log_head'] }),
    ],
    [
      'a proof for another size than the head',
      (told) => ({ ...told, inclusion_proof: { ...(told['inclusion_proof'] as object), size: 9 } }),
    ],
    [
      'a proof for another place than the receipt',
      (told) => ({ ...told, inclusion_proof: { ...(told['inclusion_proof'] as object), index: 1 } }),
    ],
    [
      'a proof with hashes that are none',
      (told) => ({ ...told, inclusion_proof: { ...(told['inclusion_proof'] as object), hashes: ['x'] } }),
    ],
    ['a receipt in the place of a head', (told, jws) => ({ ...told, log_head: jws })],
  ]
  for (const [what, lie] of places) {
    test(`${what}`, async () => {
      const host = await fakeHost({ place: async (told) => ({ verified: true, ...(await lie(told, host.texts[0] ?? '')) }) })
      const [{ jws }] = [await host.run(), await host.run()]
      await assert.rejects(host.client().check(jws), untrusted(/does not show/))
    })
  }

  test('a receipt whose own index is another than its place, in a log that the host has signed', async () => {
    const host = await fakeHost({ receipt: { index: 5 } })
    const { jws } = await host.run()
    await assert.rejects(host.client().check(jws), untrusted(/does not show/))
  })
})

suite('what it believes', () => {
  for (const scheme of ['hiding', 'plain-sha256'] as const) {
    test(`a run under ${scheme}, its place in the log, and the pinned key`, async () => {
      const host = await fakeHost({ scheme })
      const pinned = { hostKey: host.hostKey }
      const { results, jws } = await host.run(pinned)
      await host.run()
      assert.deepEqual(results, answer42)
      const { included, proof } = await host.client(pinned).check(jws)
      assert.deepEqual([included, proof?.index, proof?.size], [true, 0, 2])
    })
  }

  test('a failed run, with what it spent', async () => {
    const host = await fakeHost({ failed: true })
    await assert.rejects(host.run(), (error) => {
      assert.ok(error instanceof WasmCallError)
      assert.deepEqual([error.code, error.facts['receipt']], ['WASM_TRAP', host.texts[0]])
      return true
    })
  })

  test('that no proof was given: then nothing is said to be in the log', async () => {
    const host = await fakeHost({ place: () => ({ verified: true }) })
    const { jws } = await host.run()
    assert.equal((await host.client().check(jws)).included, false)
  })
})
