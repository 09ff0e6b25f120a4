import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { test } from 'node:test'
import { run } from '../hypervisor/libvirt/run.ts'
import { reliability } from '../dev/reliability.ts'

const root = resolve(import.meta.dirname, '../../..')
const folderOfUnits = join(root, 'appliance/units')

/** How exposed each unit may be, in tenths of systemd's own grade (0 safe, 100 unsafe). */
const budget: Record<string, number> = {
  // root by trade: links and rules
  'freehold-hostd.service': 26,
  'freehold-libvirtd.service': 16,
  // a raw socket for router advertisements
  'freehold-radvd.service': 16,
  'freehold-screen.service': 16,
  // machine code for strangers' programs, and namespaces for what runs it
  'freehold-wasmd.service': 20,
  'freehold-web.service': 10,
  'freeholdd.service': 14,
}
const units: string[] = globSync('*.service', { cwd: folderOfUnits }).sort()
const grade = (file: string, limit: number) =>
  run('systemd-analyze', ['security', '--offline=true', '--no-pager', `--threshold=${limit}`, file])

/** The same for the units of the other packages and of the image: the broker's, those of a guest. */
const budgetElsewhere: Record<string, number> = {
  // reads a file of root's
  'iso/units/freehold-apply.service': 20,
  // mounts ESPs, writes in front of partitions
  'iso/units/freehold-boot-loaders.service': 68,
  'iso/units/freehold-incomplete.service': 20,
  // partitions, formats, installs boot loaders
  'iso/units/freehold-installer.service': 96,
  // apt, boot loader, network
  'iso/units/freehold-proxmox.service': 96,
  'iso/units/freehold-screen-serial.service': 12,
  // answers on port 53
  'packaging/freehold-broker/freehold-broker-dns.service': 30,
  // interface, routes and rules of the network
  'packaging/freehold-broker/freehold-broker.service': 25,
  // deletes what others own
  'packaging/freehold/units/freehold-factory-reset-resume.service': 96,
  'packaging/freehold/units/freehold-factory-reset.service': 96,
  // apt, with all that maintainer scripts may do
  'packaging/freehold/units/freehold-update-resume.service': 98,
  'packaging/freehold/units/freehold-update.service': 96,
  // root of a guest is its holder's. Before sshd each namespace costs a boot on an emulated CPU more than what it does
  'pam-web3/package/units/freehold-boot.service': 96,
  'pam-web3/package/units/freehold-grow.service': 97,
  'pam-web3/package/units/freehold-report.service': 68,
  // ends processes of any user
  'pam-web3/package/units/freehold-watch.service': 28,
}
/** Has nothing of a sandbox that could be lost. */
const bareByTrade = /freehold-(boot|grow|installer|proxmox|factory-reset|factory-reset-resume|update|update-resume)\.service$/

test('every unit has a budget', () => assert.deepEqual(units, Object.keys(budget).sort()))

test('every unit of the other packages and of the image has a budget too', () =>
  assert.deepEqual(
    globSync('{iso,packaging,pam-web3/package}/**/*.service', { cwd: root }).sort(),
    Object.keys(budgetElsewhere).sort(),
  ))

for (const [path, limit] of Object.entries(budgetElsewhere).filter(([name]) => bareByTrade.test(name))) {
  test(`P9 ${basename(path)} keeps within its budget`, async () => {
    const graded = await grade(join(root, path), limit)
    assert.equal(graded.code, 0, graded.stdout.split('\n').at(-2) ?? '')
    assert.notEqual((await grade(join(root, path), limit - 2)).code, 0, 'the budget is what it needs')
  })
}

const sandboxed = [
  ...units.map((unit) => [join('appliance/units', unit), budget[unit] ?? 0] as const),
  ...Object.entries(budgetElsewhere).filter(([name]) => !bareByTrade.test(name)),
]
for (const [path, limit] of sandboxed) {
  const unit = basename(path)
  reliability('isolation-units', `P9 ${unit} keeps within its budget, and without its sandbox it does not`, async (fault) => {
    const file = join(root, path)
    const graded = await grade(file, limit)
    assert.equal(graded.code, 0, graded.stdout.split('\n').at(-2) ?? '')
    const folder = await mkdtemp(join(tmpdir(), 'freehold-unit-'))
    try {
      const bare = readFileSync(file, 'utf8').replaceAll(
        /^(Protect|Restrict|Private|SystemCall|Capability|NoNew|Device).*$/gm,
        '',
      )
      await writeFile(join(folder, unit), bare)
      const exposed = await grade(join(folder, unit), limit)
      assert.notEqual(exposed.code, 0)
      fault.struck(exposed.stdout)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
}

for (const unit of units) {
  test(`P9 systemd reads all of ${unit}, and what it starts is there`, async () => {
    const file = join(folderOfUnits, unit)
    const verified = await run('systemd-analyze', ['verify', '--man=no', file])
    const said = verified.stderr.split('\n').filter((line) => /Unknown|Failed to parse|Invalid/.test(line))
    assert.deepEqual(said, [])
    const script = /^ExecStart=\S+ (?:--\S+ )*\/opt\/freehold\/(appliance\/\S+)( .*)?$/m.exec(readFileSync(file, 'utf8'))?.[1]
    if (!['freehold-web.service', 'freehold-radvd.service'].includes(unit))
      assert.ok(existsSync(resolve(folderOfUnits, '../..', script ?? '-')), script ?? 'nothing')
  })
}

test('the front is not tried before there is a configuration, and is started by its appearing', () => {
  const read = (name: string): string => readFileSync(join(folderOfUnits, name), 'utf8')
  const file = /--config (\S+)/.exec(read('caddy.service.d/freehold.conf'))?.[1]
  assert.ok(read('caddy.service.d/freehold.conf').includes(`\nConditionPathExists=${file}\n`))
  assert.ok(read('freehold-front.path').includes(`\nPathExists=${file}\nUnit=caddy.service\n`))
})

test('libvirtd sees the processes that call it: it refuses a caller whose beginning the kernel does not tell it', () =>
  // `Cannot find start time for pid`, seen on an installed host
  assert.match(readFileSync(join(folderOfUnits, 'freehold-libvirtd.service'), 'utf8'), /^ProtectProc=default$/m))

test('P1 P9 only the root helper is root, and it keeps two rights', () => {
  for (const unit of units) {
    const text = readFileSync(join(folderOfUnits, unit), 'utf8')
    const user = /^User=(.*)$/m.exec(text)?.[1]
    if (unit !== 'freehold-hostd.service') assert.match(user ?? 'root', /^freehold(-\w+)?$/)
    else assert.match(text, /^CapabilityBoundingSet=CAP_NET_ADMIN CAP_CHOWN$/m)
  }
})
