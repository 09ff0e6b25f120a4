import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { run } from '../hypervisor/libvirt/run.ts'
import { reliability } from '../dev/reliability.ts'

const folderOfUnits = resolve(import.meta.dirname, '../../units')

/** How exposed each unit may be, in tenths of systemd's own grade (0 safe, 100 unsafe). */
const budget: Record<string, number> = {
  // root by trade: links and rules
  'freehold-hostd.service': 26,
  'freehold-libvirtd.service': 16,
  // a raw socket for router advertisements
  'freehold-radvd.service': 16,
  // machine code for strangers' programs, and namespaces for what runs it
  'freehold-wasmd.service': 20,
  'freehold-web.service': 10,
  'freeholdd.service': 14,
}
const units: string[] = globSync('*.service', { cwd: folderOfUnits }).sort()
const grade = (file: string, limit: number) =>
  run('systemd-analyze', ['security', '--offline=true', '--no-pager', `--threshold=${limit}`, file])

test('every unit has a budget', () => assert.deepEqual(units, Object.keys(budget).sort()))

for (const unit of units) {
  reliability('isolation-units', `P9 ${unit} keeps within its budget, and without its sandbox it does not`, async (fault) => {
    const file = join(folderOfUnits, unit)
    const graded = await grade(file, budget[unit] ?? 0)
    assert.equal(graded.code, 0, graded.stdout.split('\n').at(-2) ?? '')
    const folder = await mkdtemp(join(tmpdir(), 'freehold-unit-'))
    try {
      const bare = readFileSync(file, 'utf8').replaceAll(
        /^(Protect|Restrict|Private|SystemCall|Capability|NoNew|Device).*$/gm,
        '',
      )
      await writeFile(join(folder, unit), bare)
      const exposed = await grade(join(folder, unit), budget[unit] ?? 0)
      assert.notEqual(exposed.code, 0)
      fault.struck(exposed.stdout)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test(`P9 systemd reads all of ${unit}, and what it starts is there`, async () => {
    const file = join(folderOfUnits, unit)
    const verified = await run('systemd-analyze', ['verify', '--man=no', file])
    const said = verified.stderr.split('\n').filter((line) => /Unknown|Failed to parse|Invalid/.test(line))
    assert.deepEqual(said, [])
    const script = /^ExecStart=\S+ \/opt\/freehold\/(appliance\/\S+)$/m.exec(readFileSync(file, 'utf8'))?.[1]
    if (!['freehold-web.service', 'freehold-radvd.service'].includes(unit))
      assert.ok(existsSync(resolve(folderOfUnits, '../..', script ?? '-')), script ?? 'nothing')
  })
}

test('P1 P9 only the root helper is root, and it keeps two rights', () => {
  for (const unit of units) {
    const text = readFileSync(join(folderOfUnits, unit), 'utf8')
    const user = /^User=(.*)$/m.exec(text)?.[1]
    if (unit !== 'freehold-hostd.service') assert.match(user ?? 'root', /^freehold(-\w+)?$/)
    else assert.match(text, /^CapabilityBoundingSet=CAP_NET_ADMIN CAP_CHOWN$/m)
  }
})
