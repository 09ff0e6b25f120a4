import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AuditView } from '../api/schemas/audit.ts'
import { auditFindings } from './audit-findings.ts'

const alice = `0x${'a1'.repeat(20)}`
const bob = `0x${'b0'.repeat(20)}`

function record(what: string, result: string, changes: Partial<AuditView> = {}): AuditView {
  return { who: alice, what, target: '4eff3c5b1f35-42', result, transactionHash: null, at: 1_800_000_000, ...changes }
}
/** As the API lists them. */
const trail = (...records: AuditView[]) => records.map((r, i) => ({ ...r, at: 1_800_000_000 + i })).toReversed()
const signed = (act: string, by = alice) => [
  record(`sign-in ${act}`, 'approved', { who: by }),
  record(`sign-in ${act}`, 'used', { who: by }),
]

suite('the audit trail', () => {
  test('finds a certificate, a reinstall, a rollback that nobody has signed for', () => {
    for (const what of ['ssh-certificate', 'vm reinstall', 'vm rollback']) {
      assert.match(auditFindings([record(what, 'x')]).join(), /1 done, but 0 signatures used/)
    }
  })
  test('finds a second act under one signature', () => {
    const found = auditFindings(
      trail(...signed('certificate'), record('ssh-certificate', 'key'), record('ssh-certificate', 'key')),
    )
    assert.deepEqual(found.length, 1)
    assert.match(found[0] ?? '', /2 done, but 1 signatures used/)
  })
  test('finds the signature of another wallet, of another VM, of another act', () => {
    const done = record('vm reinstall', 'task 1')
    assert.equal(auditFindings(trail(...signed('reinstall', bob), done)).length, 1)
    assert.equal(auditFindings(trail(...signed('rollback'), done)).length, 1)
    const elsewhere = signed('reinstall').map((r) => ({ ...r, target: '4eff3c5b1f35-43' }))
    assert.equal(auditFindings(trail(...elsewhere, done)).length, 1)
  })
  test('finds a use without its approval, and time that ran back', () => {
    assert.match(auditFindings([record('sign-in shell', 'used')]).join(), /1 used, but 0 approved/)
    assert.match(
      auditFindings(
        signed('shell')
          .toReversed()
          .map((r, i) => ({ ...r, at: i })),
      ).join(),
      /time ran back/,
    )
  })
  test('has nothing to say of a whole trail, in whatever order one moment was written', () => {
    const [approved, used] = signed('reinstall')
    assert.ok(approved && used)
    const refused = record('sign-in shell', 'denied: refused', { who: '203.0.113.7' })
    assert.deepEqual(
      auditFindings(trail(refused, approved, record('vm reinstall', 'task 1'), used, record('vm stop', 'task 2'))),
      [],
    )
    assert.deepEqual(auditFindings([]), [])
  })
})
