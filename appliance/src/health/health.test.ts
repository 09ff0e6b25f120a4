import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MovableClock } from '../clock/clock.ts'
import { openStore } from '../store/store.ts'
import { declaredIssues } from './declared-issues.ts'
import type { ChainHealth, HealthFacts } from './facts.ts'
import { createHealth, visibleIssues } from './health.ts'

const gib = 2 ** 30
const sha = 'ab'.repeat(32)
const chain: ChainHealth = {
  installation: '0123456789ab',
  name: 'Local network',
  heads: { latestTime: 1000, stale: false, standing: false, agreeing: 2 },
  balance: 10n ** 18n,
  provisioner: '0xb1',
  lowBalance: 5n * 10n ** 16n,
  plans: [],
}
const up: Extract<HealthFacts['hypervisor'], { up: true }> = {
  up: true,
  name: 'libvirt',
  isolation: true,
  snapshots: true,
  templates: [sha],
  capacity: {
    diskTotalBytes: 100 * gib,
    diskFreeBytes: 50 * gib,
    diskUnpromisedBytes: 40 * gib,
    memoryTotalMiB: 8192,
    memoryUnpromisedMiB: 4096,
    vcpus: 4,
  },
}
const well: HealthFacts = { now: 2000, chains: [chain], hypervisor: up, template: sha, vms: [] }
const plan = {
  planId: 2,
  name: 'small',
  kind: 'vm' as const,
  vcpus: 1,
  memoryMiB: 1024,
  diskGiB: 4,
  gasPerDay: 0n,
  graceSeconds: 86_400,
  activationDeadlineSeconds: 3600,
  minSeconds: 1,
  maxSeconds: 2,
  capacity: 9,
  used: 1,
  open: true,
  prices: [],
}

function codes(facts: HealthFacts): string[] {
  return declaredIssues.flatMap((d) => d.check(facts).map((f) => `${d.code}: ${f.detail}`))
}

const table: [string, Partial<HealthFacts>, string[]][] = [
  ['nothing while all is well', {}, []],
  [
    'rpc-stale',
    { chains: [{ ...chain, heads: { latestTime: 1000, stale: true, standing: false, agreeing: 2 } }] },
    ['rpc-stale: The newest block of Local network is 16 minutes old.'],
  ],
  [
    'single-rpc',
    { chains: [{ ...chain, heads: { latestTime: 1990, stale: false, standing: false, agreeing: 1 } }] },
    ['single-rpc: Local network: one node.'],
  ],
  ['chain-unreachable', { chains: [{ ...chain, heads: undefined }] }, ['chain-unreachable: Local network does not answer.']],
  [
    'provisioner-balance-low',
    { chains: [{ ...chain, balance: 10n ** 16n }] },
    ['provisioner-balance-low: 0xb1 has 0.0100 of its coin left on Local network.'],
  ],
  ['no balance is not a low one', { chains: [{ ...chain, balance: undefined }] }, []],
  [
    'certificate-not-renewed',
    { certificate: { name: 'host.example', until: 2000 + 9 * 86_400, trouble: 'The authority does not answer.' } },
    ['certificate-not-renewed: 9 days left. The authority does not answer.'],
  ],
  ['a certificate that is renewed in time is none', { certificate: { name: 'host.example', until: 2001, trouble: null } }, []],
  ['hypervisor-down', { hypervisor: { up: false, detail: 'No socket.' } }, ['hypervisor-down: No socket.']],
  [
    'disk-nearly-full',
    { hypervisor: { ...up, capacity: { ...up.capacity, diskFreeBytes: 9 * gib } } },
    ['disk-nearly-full: 9 % of 100 GiB are free.'],
  ],
  [
    'template-missing',
    { hypervisor: { ...up, templates: [] } },
    ['template-missing: Template abababababab is not in the store.'],
  ],
  ['template-missing, none configured', { template: undefined }, ['template-missing: No template is configured.']],
  [
    'mirror-degraded',
    {
      mirrors: [
        { name: 'md127', disks: 2, working: 1, rebuilt: 12 },
        { name: 'md126', disks: 2, working: 1, rebuilt: undefined },
        { name: 'md125', disks: 2, working: 2, rebuilt: undefined },
      ],
    },
    [
      'mirror-degraded: md127: 1 of 2 disks work. It is being rebuilt, 12 %.',
      'mirror-degraded: md126: 1 of 2 disks work. No rebuild is under way.',
    ],
  ],
  ['no-isolation', { hypervisor: { ...up, isolation: false } }, ['no-isolation: Hypervisor libvirt, user networking.']],
  [
    'plan-capacity',
    { chains: [{ ...chain, plans: [plan] }] },
    ['plan-capacity: Plan small offers 8 more, and 4 fit. Set its capacity to 5.'],
  ],
  ['plan-capacity is silent where it fits', { chains: [{ ...chain, plans: [{ ...plan, capacity: 5 }] }] }, []],
  [
    'cluster-changed: a node more, with the capacity to sign',
    {
      chains: [{ ...chain, plans: [{ ...plan, capacity: 3 }] }],
      hypervisor: { ...up, problems: [{ code: 'cluster-changed', subject: 'pve4', detail: 'The cluster has a node pve4.' }] },
    },
    ['cluster-changed: The cluster has a node pve4. Plan small: set its capacity to 5.'],
  ],
  [
    'what the hypervisor asks a person for',
    {
      hypervisor: {
        ...up,
        problems: [
          { code: 'vm-lock-stuck', subject: 'VM 1', detail: 'qm unlock 1' },
          { code: 'clone-left-over', subject: 'VM 2', detail: 'qm destroy 2' },
          { code: 'template-not-on-node', subject: 'pve2', detail: 'pve2 has no template.' },
        ],
      },
    },
    ['vm-lock-stuck: qm unlock 1', 'template-not-on-node: pve2 has no template.', 'clone-left-over: qm destroy 2'],
  ],
  [
    'what the loop found',
    { vms: [{ code: 'vm-missing', subject: 'x-1', detail: 'Activated, and not there.', since: 1 }] },
    ['vm-missing: Activated, and not there.'],
  ],
]

describe('declared issues', () => {
  for (const [name, changes, expected] of table) test(name, () => assert.deepEqual(codes({ ...well, ...changes }), expected))

  test('each code is declared once and hides behind declared ones only', () => {
    const all = declaredIssues.map((d) => d.code)
    assert.equal(new Set(all).size, all.length)
    for (const d of declaredIssues) for (const code of d.hiddenBy) assert.ok(all.includes(code), code)
  })

  test('every text is a sentence for people', () => {
    for (const d of declaredIssues) {
      for (const text of [d.effect, d.remedy]) assert.match(text, /^[A-Z].*\.$/, d.code)
      assert.match(d.title, /^[A-Z].*[^.]$/, d.code)
    }
  })
})

test('an issue that is explained by another is not shown, nor one that is too young', () => {
  const standing = [
    { code: 'vm-missing', subject: 'x-1', detail: 'Gone.', since: 0 },
    { code: 'hypervisor-down', subject: 'host', detail: 'No socket.', since: 90 },
  ]
  assert.deepEqual(
    visibleIssues(standing, declaredIssues, 100).map((i) => i.code),
    ['vm-missing'],
  )
  assert.deepEqual(
    visibleIssues(standing, declaredIssues, 105).map((i) => i.code),
    ['hypervisor-down'],
  )
})

test('raised and cleared by level; since when survives a restart', async () => {
  const clock = new MovableClock()
  const store = await openStore(':memory:', { clock })
  let facts: HealthFacts = { ...well, template: undefined }
  const make = () => createHealth({ facts: () => Promise.resolve(facts), issues: store.issues, clock })
  const health = make()
  await health.check()
  const [issue] = health.current()
  assert.equal(issue?.code, 'template-missing')
  assert.match(issue?.effect ?? '', /^No template is configured\. No VM can be made/)
  clock.advance(1000)
  const again = make()
  await again.check()
  assert.equal(again.current()[0]?.since, issue?.since)
  facts = well
  await again.check()
  assert.deepEqual(again.current(), [])
  assert.deepEqual(await store.issues.list(), [])
  await store.close()
})

test('stops at once, whatever it waits for', async () => {
  const clock = new MovableClock()
  const store = await openStore(':memory:', { clock })
  const health = createHealth({ facts: () => Promise.reject(new Error('no')), issues: store.issues, clock })
  health.start()
  await health.stop()
  assert.deepEqual(health.current(), [])
  await store.close()
})
