import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { canonical } from '@freehold/wasm-client/seal'
import { fromText } from 'wasmtime-node/wat'
import { openStand, type Ran, type WasmStand } from '../stand/stand.ts'

type Check = { kind: 'receipt' | 'head' | 'inclusion' | 'consistency' | 'chain' | 'commitment' } & Record<string, unknown>
interface Head {
  size: number
  root: string
  timestamp: number
  jws: string
}
interface Proof {
  index: number
  size: number
  hashes: string[]
  root: string
}

/** What the other implementation says: Debian's Python with python3-cryptography. */
function verdicts(checks: readonly Check[]): boolean[] {
  const script = join(import.meta.dirname, 'verify.py')
  const options = { input: JSON.stringify(checks), encoding: 'utf8', timeout: 60_000, env: {} } as const
  return JSON.parse(execFileSync('/usr/bin/python3', ['-I', script], options)) as boolean[]
}

/** Expects every one refused, and names those that are not. */
function allRefused(checks: readonly (Check & { what: string })[]): void {
  const taken = verdicts(checks).flatMap((ok, n) => (ok ? [checks[n]?.what] : []))
  assert.deepEqual(taken, [])
  assert.ok(checks.length > 0)
}

const adding = await fromText(
  '(module (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))',
)
const flip = (hex: string): string => `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`

suite('receipts and proofs, checked by another implementation in another language', () => {
  let stand: WasmStand
  let host: Record<string, unknown>
  const runs: Ran[] = []
  const heads: Head[] = []
  before(async () => {
    stand = await openStand({ server: { workers: 1 } })
    host = (await stand.hostKeys()).host
    for (let n = 0; n < 11; n += 1) {
      // every third one traps: failures have receipts too
      const wasm =
        n % 3 === 2 ? await fromText(`(module (func (export "main") (param i32 i32) (result i32) unreachable))`) : adding
      runs.push(await stand.run(wasm, { arguments: [{ value: n }, { value: 2 }] }))
      heads.push((await stand.get('/v1/log/head')).body as unknown as Head)
    }
  })
  after(() => stand.close())

  const jwsOf = (n: number): string => runs[n]?.receipt ?? ''
  const contentOf = (jws: string) =>
    JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
  const proofOf = async (n: number): Promise<Proof> => {
    const { program } = contentOf(jwsOf(n))
    const path = `/v1/verify/${String(runs[n]?.body['request_id'])}?commitment_type=program&hash_value=${String(program)}`
    return (await stand.get(path)).body['inclusion_proof'] as Proof
  }

  test('refuses a receipt with any field changed, added or left out, under another key, of another type, unsigned', async () => {
    const jws = jwsOf(0)
    const [head = '', , signature = ''] = jws.split('.')
    const content = contentOf(jws)
    const forged = (changed: unknown): string => `${head}.${Buffer.from(canonical(changed)).toString('base64url')}.${signature}`
    const changes = Object.entries(content).flatMap(([name, value]) => {
      const other = typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${String(value)}0`
      const { [name]: _, ...without } = content
      return [
        { what: `${name} changed`, jws: forged({ ...content, [name]: other }) },
        { what: `${name} left out`, jws: forged(without) },
      ]
    })
    assert.equal(changes.length, 30, 'every field of a receipt')
    const plain = Buffer.from(JSON.stringify({ alg: 'none', typ: 'whv-receipt+jws' })).toString('base64url')
    const others = [
      { what: 'a field added', jws: forged({ ...content, extra: 1 }) },
      { what: 'unsigned', jws: `${plain}.${jws.split('.')[1]}.` },
      { what: 'the receipt of another run', jws: jws.replace(signature, jwsOf(1).split('.')[2] ?? '') },
      { what: 'a head as receipt', jws: heads[0]?.jws ?? '' },
    ]
    const checks = [...changes, ...others].map((one) => ({ kind: 'receipt' as const, host_key: host, ...one }))
    const stranger = { ...host, x: Buffer.alloc(32, 3).toString('base64url') }
    allRefused([...checks, { kind: 'receipt', what: 'another key', host_key: stranger, jws }])
  })

  test('refuses proofs with another place, size, root or hash, with one hash more or less, or of another receipt', async () => {
    const [n, jws] = [6, jwsOf(6)]
    const proof = await proofOf(n)
    const changed: [string, Partial<Proof>, string?][] = [
      ['place', { index: proof.index + 1 }],
      ['size', { size: proof.size - 5 }],
      ['root', { root: flip(proof.root) }],
      ['one hash less', { hashes: proof.hashes.slice(1) }],
      ['one hash more', { hashes: [...proof.hashes, proof.root] }],
      ['another receipt', {}, jwsOf(n + 1)],
      ['a beyond place', { index: proof.size }],
    ]
    const hashes = proof.hashes.map((hash, at): [string, Partial<Proof>] => [
      `hash ${at}`,
      { hashes: proof.hashes.with(at, flip(hash)) },
    ])
    allRefused(
      [...changed, ...hashes].map(([what, change, other]) => ({
        kind: 'inclusion',
        what,
        jws: other ?? jws,
        proof: { ...proof, ...change },
      })),
    )
    const [from, to] = [heads[4], heads[10]]
    assert.ok(from !== undefined && to !== undefined)
    const { body } = await stand.get(`/v1/log/consistency?from=${from.size}&to=${to.size}`)
    const path = body['hashes'] as string[]
    const consistency = (what: string, change: Record<string, unknown>) => ({
      kind: 'consistency' as const,
      what,
      from,
      to,
      hashes: path,
      ...change,
    })
    allRefused([
      consistency('another old root', { from: { ...from, root: flip(from.root) } }),
      consistency('another new root', { to: { ...to, root: flip(to.root) } }),
      consistency('another old size', { from: { ...from, size: from.size - 1 } }),
      consistency('one hash less', { hashes: path.slice(1) }),
      consistency('one hash more', { hashes: [...path, to.root] }),
      ...path.map((hash, at) => consistency(`hash ${at}`, { hashes: path.with(at, flip(hash)) })),
    ])
    const receipts = runs.map((_, at) => jwsOf(at))
    allRefused([
      { kind: 'chain', what: 'one left out', host_key: host, receipts: receipts.toSpliced(3, 1) },
      { kind: 'chain', what: 'two swapped', host_key: host, receipts: receipts.with(2, jwsOf(3)).with(3, jwsOf(2)) },
      { kind: 'head', what: 'a head of another size', host_key: host, head: { ...to, size: to.size + 1 } },
      { kind: 'head', what: 'a head of another root', host_key: host, head: { ...to, root: flip(to.root) } },
    ])
  })

  test('takes every receipt, proof and commitment that is right, also those of failures', async () => {
    assert.deepEqual([...new Set(runs.map(({ status }) => status))], [200, 422])
    const checks: Check[] = []
    const last = heads.at(-1)
    for (const [n, run] of runs.entries()) {
      const content = contentOf(jwsOf(n))
      assert.equal(content['gas_used'], run.summary?.gas_used)
      checks.push({ kind: 'receipt', host_key: host, jws: jwsOf(n), content })
      checks.push({ kind: 'inclusion', jws: jwsOf(n), proof: await proofOf(n) })
      checks.push({ kind: 'head', host_key: host, head: heads[n] })
      const { body } = await stand.get(`/v1/log/consistency?from=${heads[n]?.size}&to=${last?.size}`)
      checks.push({ kind: 'consistency', from: heads[n], to: last, hashes: body['hashes'] })
      const salt = run.opened?.salt
      const given = Buffer.from(canonical([{ value: n }, { value: 2 }])).toString('base64')
      checks.push({ kind: 'commitment', type: 'arguments', salt, content: given, commitment: content['arguments'] })
      if (run.status !== 200) continue
      const results = Buffer.from(canonical(run.opened?.results)).toString('base64')
      checks.push({
        kind: 'commitment',
        type: 'program',
        salt,
        content: Buffer.from(adding).toString('base64'),
        commitment: content['program'],
      })
      checks.push({ kind: 'commitment', type: 'result', salt, content: results, commitment: run.body['result_commitment'] })
    }
    checks.push({ kind: 'chain', host_key: host, receipts: runs.map((_, n) => jwsOf(n)) })
    const refused = verdicts(checks).flatMap((ok, n) => (ok ? [] : [checks[n]]))
    assert.deepEqual(refused, [])
    assert.ok(checks.length > 60)
  })
})
