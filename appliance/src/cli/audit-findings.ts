import type { AuditView } from '../api/schemas/audit.ts'

/** Acts that nobody may do without an own signature, and the record that the doing leaves. */
const signedActs: Record<string, string> = {
  'ssh-certificate': 'certificate',
  'vm reinstall': 'reinstall',
  'vm rollback': 'rollback',
}

/**
 * What does not fit in an audit trail (newest first, whole): time that runs back, a use without its approval, a signed act
 * without the signature that it needs. Pure. Counts per act, wallet and VM, as two records of one moment may stand in any order.
 */
export function auditFindings(records: readonly AuditView[]): string[] {
  const findings: string[] = []
  records.forEach((record, i) => {
    const newer = records[i - 1]
    if (newer !== undefined && newer.at < record.at) {
      findings.push(`"${newer.what}" of ${stamp(newer.at)} stands after "${record.what}" of ${stamp(record.at)}: time ran back`)
    }
  })
  const counts = new Map<string, { approved: number; used: number; done: number }>()
  const of = (act: string, { who, target }: AuditView) => {
    const key = `${act} by ${who.toLowerCase()} at ${target}`
    const found = counts.get(key) ?? { approved: 0, used: 0, done: 0 }
    counts.set(key, found)
    return found
  }
  for (const record of records) {
    const act = /^sign-in (\S+)$/.exec(record.what)?.[1]
    if (act !== undefined && record.result === 'approved') of(act, record).approved += 1
    if (act !== undefined && record.result === 'used') of(act, record).used += 1
    const done = signedActs[record.what]
    if (done !== undefined) of(done, record).done += 1
  }
  for (const [key, { approved, used, done }] of counts) {
    if (used > approved) findings.push(`${key}: ${used} used, but ${approved} approved`)
    if (done > used) findings.push(`${key}: ${done} done, but ${used} signatures used`)
  }
  return findings
}

function stamp(at: number): string {
  return new Date(at * 1000).toISOString().replace('.000Z', 'Z')
}
