import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { parseBase64 } from '@freehold/appliance/wasm/protocol/bytes'
import { canonicalJson } from '@freehold/appliance/wasm/protocol/canonical'
import { commit, sameCommitment } from '@freehold/appliance/wasm/protocol/commitment'
import { setupRecipient, type RecipientKey } from '@freehold/appliance/wasm/protocol/hpke'
import { leafHash, MerkleTree } from '@freehold/appliance/wasm/protocol/merkle-tree'
import { publicJwk, signReceipt, type Receipt } from '@freehold/appliance/wasm/protocol/receipt'
import { requestAad, requestInfo } from '@freehold/appliance/wasm/protocol/request-binding'
import { responseSecret, sealResponse } from '@freehold/appliance/wasm/protocol/response-seal'
import { isIncluded, opensCommitment, verifyReceipt } from '@freehold/wasm-client/receipt'
import { sealRequest, type HostKey, type Sealed, type SealedRequest } from '@freehold/wasm-client/seal'

// both ends are separate implementations: the host's over node:crypto, the caller's over WebCrypto and a library
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = pair.publicKey.export({ format: 'jwk' }) as { x: string; y: string }
const hostKey: HostKey = { kid: 'k1', kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y, expires_at: '2030-01-01T00:00:00Z' }
const recipient: RecipientKey = {
  privateKey: pair.privateKey,
  publicRaw: Buffer.concat([Buffer.from([4]), Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y, 'base64url')]),
}
const wasm = randomBytes(5000)
const call = {
  function_name: 'main',
  arguments: [{ value: 42 }, { value: '9007199254740993', type: 'i64' as const }],
  timeout_seconds: 5,
  gas_limit: '1000',
}

function open(body: SealedRequest): { plain: Buffer; context: ReturnType<typeof setupRecipient>; enc: Buffer } {
  const enc = parseBase64(body.public_key)
  const sealed = parseBase64(body.encrypted_wasm)
  assert.ok(enc !== undefined && sealed !== undefined)
  const context = setupRecipient(recipient, enc, requestInfo(body.key_id))
  return { plain: context.open(sealed, requestAad(body)), context, enc }
}

suite('a sealed call', () => {
  test('does not open with any clear field changed, added or left out', async () => {
    const { body } = await sealRequest(hostKey, wasm, call)
    const changes: Partial<SealedRequest>[] = [
      { function_name: 'other' },
      { arguments: [{ value: 43 }, call.arguments[1] ?? { value: 0 }] },
      { arguments: [{ value: 42 }, { value: '9007199254740993', type: 'f64' }] },
      { timeout_seconds: 6 },
      { gas_limit: '1001' },
      { request_metadata: { client_id: 'x', version: '1' } },
      { issued_at: '2030-01-01T00:00:00Z' },
      { nonce: '00' },
      { key_id: 'k2' },
    ]
    for (const change of changes) assert.throws(() => open({ ...body, ...change }), JSON.stringify(change))
    const { gas_limit: _, ...without } = body
    assert.throws(() => open(without))
    assert.throws(() => open({ ...body, result_region: true } as SealedRequest))
  })

  test('holds the program alone, also where that is a view into a larger buffer', async () => {
    const pool = Buffer.concat([Buffer.from('a stranger’s secret'), wasm, Buffer.from('another one')])
    const view = pool.subarray(21, 21 + wasm.length)
    assert.ok(open((await sealRequest(hostKey, view, call)).body).plain.equals(view))
  })

  test('opens as it was sealed, and two seals of one program share nothing', async () => {
    const [one, two] = [await sealRequest(hostKey, wasm, call), await sealRequest(hostKey, wasm, call)]
    assert.deepEqual(open(one.body).plain, wasm)
    assert.notEqual(one.body.public_key, two.body.public_key)
    assert.notEqual(one.body.encrypted_wasm.slice(0, 100), two.body.encrypted_wasm.slice(0, 100))
  })
})

suite('a sealed answer', () => {
  const binding = { requestId: 'r1', resultCommitment: 'ab'.repeat(32), summary: { gas_used: '7', status: 'returned' } }
  async function answered(sealed: Sealed) {
    const { context, enc } = open(sealed.body)
    const plain = canonicalJson({ results: [{ type: 'i32', value: 42 }], salt: '00'.repeat(32) })
    return {
      request_id: binding.requestId,
      encrypted_result: sealResponse(responseSecret(context), enc, plain, binding).toString('base64'),
      result_commitment: binding.resultCommitment,
      execution_summary: binding.summary,
    }
  }

  test('does not open for another request, or with summary, id, commitment or a byte changed', async () => {
    const [mine, other] = [await sealRequest(hostKey, wasm, call), await sealRequest(hostKey, wasm, call)]
    const answer = await answered(mine)
    await assert.rejects(other.open(answer))
    await assert.rejects(mine.open({ ...answer, execution_summary: { gas_used: '6', status: 'returned' } }))
    await assert.rejects(mine.open({ ...answer, request_id: 'r2' }))
    await assert.rejects(mine.open({ ...answer, result_commitment: 'cd'.repeat(32) }))
    const bytes = Buffer.from(answer.encrypted_result, 'base64')
    for (const at of [0, 31, 32, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      await assert.rejects(mine.open({ ...answer, encrypted_result: changed.toString('base64') }), `byte ${at}`)
    }
    assert.deepEqual((await mine.open(answer)).results, [{ type: 'i32', value: 42 }])
  })
})

suite('receipts, checked by the other implementation', () => {
  const signing = generateKeyPairSync('ed25519')
  const stranger = generateKeyPairSync('ed25519')
  const salt = randomBytes(32)
  const receipt: Receipt = {
    request_id: 'r1',
    kid: 'k1',
    program: commit('hiding', 'program', wasm, salt),
    arguments: commit('hiding', 'arguments', canonicalJson(call.arguments), salt),
    result: commit('hiding', 'result', Buffer.from('42'), salt),
    commitment_scheme: 'hiding',
    gas_used: '7',
    gas_exact: true,
    gas_schedule: 's',
    engine: 'e',
    status: 'returned',
    started_at: 1,
    ended_at: 2,
    prev_hash: '0'.repeat(64),
    index: 0,
  }
  const sign = (key: KeyObject, content: Receipt = receipt) => signReceipt(content, key, 'host')

  test('another key, another type and every changed field are refused', async () => {
    const jws = sign(signing.privateKey)
    const key = await publicJwk(signing.publicKey)
    await assert.rejects(verifyReceipt(jws, await publicJwk(stranger.publicKey)))
    const [head = '', , signature = ''] = jws.split('.')
    for (const [name, value] of Object.entries(receipt)) {
      const changed = {
        ...receipt,
        [name]: typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${value}x`,
      }
      const forged = `${head}.${canonicalJson(changed).toString('base64url')}.${signature}`
      await assert.rejects(verifyReceipt(forged, key), name)
    }
    const plain = Buffer.from(JSON.stringify({ alg: 'none', typ: 'whv-receipt+jws' })).toString('base64url')
    await assert.rejects(verifyReceipt(`${plain}.${canonicalJson(receipt).toString('base64url')}.`, key))
    assert.deepEqual(await verifyReceipt(jws, key), receipt)
  })

  test('a commitment opens with its own content, type and salt only', async () => {
    assert.ok(await opensCommitment(receipt.program, 'program', wasm, salt.toString('hex')))
    assert.ok(!(await opensCommitment(receipt.program, 'result', wasm, salt.toString('hex'))))
    assert.ok(!(await opensCommitment(receipt.program, 'program', wasm.subarray(1), salt.toString('hex'))))
    assert.ok(!(await opensCommitment(receipt.program, 'program', wasm, '00'.repeat(32))))
    assert.equal(commit('plain-sha256', 'result', Buffer.from('42'), salt), createHash('sha256').update('42').digest('hex'))
    assert.ok(sameCommitment(receipt.program, receipt.program) && !sameCommitment(receipt.program, 'x'))
  })

  test('a receipt is in the log at its own place only', async () => {
    const tree = new MerkleTree()
    const all = Array.from({ length: 11 }, (_, index) => sign(signing.privateKey, { ...receipt, index }))
    for (const jws of all) tree.append(leafHash(Buffer.from(jws)))
    for (const [index, jws] of all.entries()) {
      const proof = {
        index,
        size: tree.size,
        hashes: tree.inclusionProof(index).map((hash) => hash.toString('hex')),
        root: tree.root().toString('hex'),
      }
      assert.ok(await isIncluded(jws, proof))
      assert.ok(!(await isIncluded(all[(index + 1) % all.length] ?? '', proof)))
      assert.ok(!(await isIncluded(jws, { ...proof, index: (index + 1) % all.length })))
      assert.ok(!(await isIncluded(jws, { ...proof, root: '00'.repeat(32) })))
    }
  })
})
