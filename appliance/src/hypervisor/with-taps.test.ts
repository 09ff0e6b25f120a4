import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostTap } from '../host/verbs.ts'
import type { Hypervisor, VmSpec } from './port.ts'
import { withTaps } from './with-taps.ts'

const net = { ipv4: { gateway: '10.77.0.1', prefixLength: 16 }, ipv6: null }
const spec = (tokenId: bigint) =>
  ({
    key: { installation: '0123456789ab', tokenId, generation: 1 },
    mac: `52:54:00:00:00:0${tokenId}`,
    addresses: { ipv4: `10.77.0.1${tokenId}`, ipv6: null, sshPort: null },
  }) as VmSpec

/** A hypervisor that only remembers, and a helper that shows what it was told. */
function world() {
  const vms = new Map<bigint, VmSpec>()
  const seen: string[] = []
  let down = false
  /** What happens while a create goes on, one for each. */
  const during: ((verb: unknown) => Promise<void>)[] = []
  const bare = {
    async list() {
      if (down) throw new Error('unreadable')
      return [...vms.values()].map((vm) => ({ key: vm.key, spec: vm }))
    },
    create: async (vm: VmSpec, verb?: { signal?: AbortSignal }) => {
      seen.push('create')
      await during.shift()?.(verb)
      vms.set(vm.key.tokenId, vm)
    },
    start: async () => void seen.push('start'),
    destroy: async (key: VmSpec['key']) => void (seen.push('destroy'), vms.delete(key.tokenId)),
  } as unknown as Hypervisor
  const host = {
    setTaps: async ({ taps }: { taps: HostTap[] }) => (seen.push(`taps ${taps.map((t) => t.tokenId).join()}`), { taps: [] }),
    setFirewall: async () => void seen.push('firewall'),
  }
  return { seen, during, vms: withTaps(bare, host, { net, open: [] }), breakList: () => (down = true) }
}

test('denies a start while the list cannot be read: no tap is taken away', async () => {
  const { vms, seen, breakList } = world()
  await vms.create(spec(1n))
  breakList()
  seen.length = 0
  await assert.rejects(vms.start(spec(1n).key), /unreadable/)
  await assert.rejects(vms.create(spec(2n)), /unreadable/)
  assert.deepEqual(seen, ['firewall'])
})

test('the tap stands before the VM is made or started, and goes after it', async () => {
  const { vms, seen } = world()
  await vms.create(spec(1n))
  await Promise.all([vms.create(spec(2n)), vms.start(spec(1n).key)])
  await vms.destroy(spec(1n).key)
  assert.deepEqual(seen.slice(0, 2), ['taps 1', 'create'])
  assert.ok(seen.indexOf('taps 1,2') < seen.lastIndexOf('create'))
  assert.deepEqual(seen.slice(-2), ['destroy', 'taps 2'])
})

test('a create that was given up takes no tap from the one that follows it', async () => {
  const { vms, seen, during } = world()
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  during.push(
    () => first.promise,
    () => second.promise,
  )
  const given = vms.create(spec(1n))
  const again = vms.create(spec(1n))
  while (seen.filter((line) => line === 'create').length < 2) await new Promise(setImmediate)
  first.reject(new Error('given up'))
  await assert.rejects(given, /given up/)
  seen.length = 0
  await vms.start(spec(3n).key)
  assert.ok(seen.includes('taps 1'), seen.join())
  second.resolve()
  await again
})

test('denies to take taps away at opening while the list cannot be read; with no VM there is a set too', async () => {
  const { vms, seen, breakList } = world()
  await vms.settle()
  assert.deepEqual(seen, ['firewall', 'taps '])
  breakList()
  await vms.settle()
  assert.deepEqual(seen, ['firewall', 'taps ', 'firewall'])
})
