import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { AppError } from '../../errors/app-error.ts'
import { resources } from './answers.ts'
import type { Overview } from './inventory.ts'
import { countBuyer, placesFor, type PlacementFacts } from './placement.ts'

const gib = 2 ** 30
const sha256 = 'a'.repeat(64)
const spec = { template: sha256, memoryMiB: 2048, vcpus: 2, diskGiB: 20 }

interface NodeSaid {
  up?: boolean
  memoryGiB?: number | null
  cpus?: number
  load?: number
  /** Memory of each VM on it, in GiB. */
  vms?: readonly number[]
  vcpusEach?: number
  diskGiB?: number
  usedGiB?: number
  template?: boolean
}

/** What one call would tell of such a cluster: parsed by the client's own schema. */
function cluster(said: Record<string, NodeSaid>, shared = false): Pick<PlacementFacts, 'overview' | 'templates'> {
  let vmid = 20_000
  const all = Object.entries(said).flatMap(([node, one]) => {
    const { up = true, memoryGiB = 32, cpus = 8, load = 0, vms = [], vcpusEach = 1, diskGiB = 500, usedGiB = 0 } = one
    return [
      {
        id: `node/${node}`,
        type: 'node',
        node,
        status: up ? 'online' : 'offline',
        ...(memoryGiB !== null && { maxmem: memoryGiB * gib, maxcpu: cpus, cpu: load }),
      },
      {
        id: `storage/${node}/disks`,
        type: 'storage',
        node,
        storage: 'disks',
        status: 'available',
        shared: Number(shared),
        disk: usedGiB * gib,
        maxdisk: diskGiB * gib,
      },
      ...vms.map((memory) => ({
        id: `qemu/${++vmid}`,
        type: 'qemu',
        node,
        vmid,
        name: 'x',
        status: 'running',
        template: 0,
        maxmem: memory * gib,
        maxcpu: vcpusEach,
      })),
    ]
  })
  const parsed = resources.parse(all)
  const overview: Overview = {
    nodes: parsed.filter((r) => r.type === 'node'),
    storages: parsed.filter((r) => r.type === 'storage'),
    vms: parsed.filter((r) => r.type === 'qemu'),
  }
  const templates = Object.entries(said)
    .filter(([, one]) => one.template !== false)
    .map(([node], i) => ({ sha256, sizeBytes: 1, virtualSizeBytes: gib, vmid: 10_000 + i, node }))
  return { overview, templates: shared ? templates.slice(0, 1) : templates }
}

const refused: [string, Record<string, NodeSaid>, string, RegExp, Partial<typeof spec>?][] = [
  ['no node that is up', { a: { up: false }, b: { up: false } }, 'hypervisor-down', /No node/],
  ['a template that is on no node', { a: { template: false }, b: { template: false } }, 'template-missing', /aaaaaaaaaaaa/],
  [
    'a template that is only on a node that is down',
    { a: { up: false }, b: { template: false } },
    'template-missing',
    /no node that is up/,
  ],
  [
    'disks that would leave less than a tenth free',
    { a: { diskGiB: 100, usedGiB: 71 }, b: { diskGiB: 20 } },
    'storage-full',
    /20 GiB/,
  ],
  ['memory that was promised to others, running or not', { a: { memoryGiB: 16, vms: [8, 6] } }, 'capacity-exceeded', /2048 MiB/],
  ['the memory that the node itself needs', { a: { memoryGiB: 3, vms: [1] } }, 'capacity-exceeded', /2048 MiB/],
  ['more processors than any node has', { a: { cpus: 4 }, b: { cpus: 2 } }, 'capacity-exceeded', /8 CPUs/, { vcpus: 8 }],
  [
    'a node whose memory the token may not see, by the name of the privilege',
    { a: { memoryGiB: null } },
    'privilege-missing',
    /Sys\.Audit on \/nodes\/a/,
  ],
  ['memory on one node and disk on the other', { a: { memoryGiB: 2 }, b: { usedGiB: 460 } }, 'capacity-exceeded', /2048 MiB/],
]

const placed: [string, Record<string, NodeSaid>, string, { buyers?: Record<string, number>; shared?: boolean }?][] = [
  ['most free memory first', { a: { memoryGiB: 16 }, b: { memoryGiB: 64 }, c: { memoryGiB: 32 } }, 'b c a'],
  ['promised memory counts, not used memory', { a: { memoryGiB: 64, vms: [40] }, b: { memoryGiB: 32 } }, 'b a'],
  ['with the same memory, fewer promised processors', { a: { vms: [4], vcpusEach: 6 }, b: { vms: [4] } }, 'b a'],
  [
    'promised processors per processor, not alone',
    { a: { cpus: 4, vms: [4], vcpusEach: 2 }, b: { cpus: 32, vms: [4], vcpusEach: 4 } },
    'b a',
  ],
  ['with the same memory and processors, more free disk', { a: { usedGiB: 300 }, b: { usedGiB: 100 } }, 'b a'],
  ['all alike: by name, so that two looks agree', { c: {}, a: {}, b: {} }, 'a b c'],
  ['a busy node last, whatever it has free', { a: { memoryGiB: 128, load: 0.95 }, b: {} }, 'b a'],
  ['a busy node where it is the only one', { a: { load: 1 } }, 'a'],
  ['VMs of the same buyer apart, before memory', { a: { memoryGiB: 128 }, b: {}, c: {} }, 'c b a', { buyers: { a: 2, b: 1 } }],
  [
    'together again where only one node has room: a preference, no rule',
    { a: {}, b: { memoryGiB: 2 } },
    'a',
    { buyers: { a: 9 } },
  ],
  ['apart before not busy', { a: {}, b: { load: 1 } }, 'b a', { buyers: { a: 1 } }],
  ['no node that is down', { a: { up: false, memoryGiB: 128 }, b: {} }, 'b'],
  ['no node that lacks the template', { a: { template: false, memoryGiB: 128 }, b: {} }, 'b'],
  [
    'every node where the template lies on shared storage',
    { a: {}, b: { template: false, memoryGiB: 64 } },
    'b a',
    { shared: true },
  ],
  ['the last tenth stays free: a disk that just fits', { a: { diskGiB: 100, usedGiB: 70 } }, 'a'],
  ['the last memory: a VM that just fits', { a: { memoryGiB: 16, vms: [13] } }, 'a'],
]

suite('Proxmox placement: which nodes, in which order', () => {
  for (const [name, said, code, says, more] of refused) {
    test(`denies ${name}`, () => {
      assert.throws(
        () => placesFor({ ...spec, ...more }, { ...cluster(said), sameBuyer: new Map() }),
        (error) => {
          assert.ok(error instanceof AppError && error.code === code, String(error))
          assert.match(error.detail, says)
          return true
        },
      )
    })
  }

  for (const [name, said, order, { buyers = {}, shared = false } = {}] of placed) {
    test(name, () => {
      const places = placesFor(spec, { ...cluster(said, shared), sameBuyer: new Map(Object.entries(buyers)) })
      assert.equal(places.map((place) => place.node).join(' '), order)
      assert.ok(places.every((place) => shared || place.template.node === place.node))
    })
  }

  test('counts VMs of a buyer by node, however the address is written, and none whose node is not known', () => {
    const of = (buyer: string, node?: string) => ({
      spec: { origin: { buyer, boughtBlock: 1 } },
      ...(node !== undefined && { node }),
    })
    const all = [of('0xAa', 'a'), of('0xaA', 'a'), of('0xaa', 'b'), of('0xbb', 'b'), of('0xaa')]
    assert.deepEqual(
      [...countBuyer(all as unknown as Parameters<typeof countBuyer>[0], '0xAA')],
      [
        ['a', 2],
        ['b', 1],
      ],
    )
  })
})
