import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { compactVerify } from 'jose'
import { includes, isConsistent, leafHash } from './protocol/merkle-tree.ts'
import { headType, verifyReceipt } from './protocol/receipt.ts'
import { ReceiptLog } from './receipt-log.ts'
import { WasmStore } from './wasm-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-log-'))
after(() => rmSync(folder, { recursive: true }))
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const bytes = (hashes: readonly string[]) => hashes.map((hash) => Buffer.from(hash, 'hex'))
const receipt = (n: number) => ({
  request_id: `r${n}`,
  kid: 'k',
  program: 'p',
  arguments: 'a',
  result: null,
  commitment_scheme: 'hiding',
  gas_used: '10',
  gas_exact: true,
  gas_schedule: 's',
  engine: 'e',
  status: 'trapped',
  started_at: 0,
  ended_at: 0,
})

suite('the log of receipts', () => {
  test('heads are signed, grow consistently, and are the same after a restart and after texts are forgotten', async () => {
    const store = new WasmStore(join(folder, 'log.db'))
    const log = new ReceiptLog(store, privateKey, 'id')
    const add = (n: number) =>
      log.append({ receipt: receipt(n), owner: 'o', payer: 's-1', gas: 10n, code: 'WASM_TRAP', now: 100, retentionSeconds: 50 })
    // appends at once stand one after the other
    const first = await Promise.all([0, 1, 2].map(add))
    const old = log.signedHead()
    const more = await Promise.all([3, 4, 5, 6].map(add))
    const head = log.signedHead()
    const { payload, protectedHeader } = await compactVerify(head.jws, publicKey)
    assert.equal(protectedHeader.typ, headType)
    assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), { size: 7, root: head.root, timestamp: 100 })
    const roots = bytes([old.root, head.root]) as [Buffer, Buffer]
    assert.ok(isConsistent(3, 7, ...roots, bytes(log.consistency(3, 7))))
    assert.ok(!isConsistent(2, 7, ...roots, bytes(log.consistency(3, 7))))
    const all = [...first, ...more]
    for (const [index, jws] of all.entries()) {
      const said = await verifyReceipt(jws, publicKey)
      const before = all[index - 1]
      const chained = before === undefined ? '0'.repeat(64) : leafHash(Buffer.from(before)).toString('hex')
      assert.deepEqual([said.index, said.prev_hash], [index, chained])
      const { hashes } = log.proof(index)
      assert.ok(includes(leafHash(Buffer.from(jws)), index, 7, bytes(hashes), roots[1]))
    }
    assert.deepEqual(store.usage('s-1', 0), { gas: 70n, runs: 7 })
    assert.deepEqual(store.usage('o', 0), { gas: 0n, runs: 0 })
    assert.deepEqual(store.outcomes(0), [{ code: 'WASM_TRAP', runs: 7, gas: 70n }])
    assert.equal(
      store
        .receiptsOf('o', { limit: 2 })
        .map((row) => row.index)
        .join(),
      '6,5',
    )

    assert.equal(store.forgetExpired(150), 7)
    assert.equal(store.receipt('r1'), undefined)
    store.close()
    const again = new WasmStore(join(folder, 'log.db'))
    const reopened = new ReceiptLog(again, privateKey, 'id')
    assert.deepEqual(reopened.signedHead(), head)
    const next = await reopened.append({ receipt: receipt(7), owner: 'o', gas: 1n, now: 200, retentionSeconds: 50 })
    const chained = await verifyReceipt(next, publicKey)
    assert.equal(chained.prev_hash, leafHash(Buffer.from(more.at(-1) ?? '')).toString('hex'))
    again.close()
  })

  test('nobody hears of a receipt, and no head names it, before the disk has it; what the disk refuses ends the log', async () => {
    const store = new WasmStore(join(folder, 'disk.db'))
    let disk = Promise.withResolvers<void>()
    const log = new ReceiptLog({ ...portsOf(store), synced: () => disk.promise }, privateKey, 'id')
    const add = (n: number) => log.append({ receipt: receipt(n), owner: 'o', gas: 1n, now: 100, retentionSeconds: 50 })
    let heard = 0
    const first = add(0).finally(() => (heard += 1))
    while (store.kept() === 0) await new Promise(setImmediate)
    const second = add(1).finally(() => (heard += 1))
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
    assert.deepEqual([heard, log.size, log.signedHead().size], [0, 0, 0])
    // what comes while the disk is at work is written with the next round
    assert.equal(store.kept(), 1)
    const former = disk
    disk = Promise.withResolvers<void>()
    former.resolve()
    await first
    assert.equal(log.size, 1)
    disk.reject(new Error('EIO'))
    await assert.rejects(second, /the disk did not take a receipt/)
    disk = Promise.withResolvers<void>()
    disk.resolve()
    await assert.rejects(add(2), /the disk did not take a receipt/)
    assert.deepEqual([log.size, log.signedHead().size], [1, 1])
    store.close()
  })
})

function portsOf(store: WasmStore) {
  return {
    append: store.append.bind(store),
    leaves: store.leaves.bind(store),
    leavesFrom: store.leavesFrom.bind(store),
    lastCommittedAt: store.lastCommittedAt.bind(store),
  }
}
