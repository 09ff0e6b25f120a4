import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { markOf } from '../../chain/installation.ts'
import { systemClock, type Clock } from '../../clock/clock.ts'
import { hypervisorSuite, testKey, testSpec, type Twin } from '../contract-suite.ts'
import { domainNameOf } from '../names.ts'
import type { VmRecord } from '../port.ts'
import { createFakeHypervisor, type FakeOptions } from './fake-hypervisor.ts'

/** Time that passes at once, and tells how much of it was waited for. */
function hurriedClock(): Clock & { waitedMs: number } {
  const clock = {
    waitedMs: 0,
    now: () => systemClock.now(),
    monotonicMs: () => systemClock.monotonicMs(),
    wait(ms: number) {
      clock.waitedMs += ms
      return Promise.resolve()
    },
  }
  return clock
}

function image(t: TestContext): { path: string; sha256: string } {
  const folder = mkdtempSync(join(tmpdir(), 'fh-fake-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'image')
  writeFileSync(path, 'an image')
  return { path, sha256: createHash('sha256').update('an image').digest('hex') }
}

const template = { path: 'fake:debian', sha256: 'ab'.repeat(32) }

async function open(options: Partial<FakeOptions> = {}) {
  const hypervisor = createFakeHypervisor({ clock: hurriedClock(), storages: ['local'], createSeconds: 0, ...options })
  await hypervisor.importTemplate(template)
  return hypervisor
}

hypervisorSuite('fake', async (t): Promise<Twin> => {
  const storages: string[] = ['local']
  let boots = 0
  const hypervisor = createFakeHypervisor({ clock: systemClock, storages, createSeconds: 0, onStart: () => void boots++ })
  const setting = (sentinel: string) => {
    storages.push(sentinel)
    return Promise.resolve(() => Promise.resolve(void storages.splice(storages.indexOf(sentinel), 1)))
  }
  return {
    hypervisor,
    template: image(t),
    async guest(key) {
      const inside = hypervisor.guest(key)
      return {
        write: async (text) => inside.write(text),
        read: async () => inside.read() || undefined,
        kernel: { panic: async () => inside.panic(), boots: async () => boots },
      }
    },
    traces: async (key) => (await hypervisor.list()).filter((r) => markOf(r.key) === markOf(key)).map((r) => markOf(r.key)),
    breakDown: () => setting('sentinel-down'),
    unmount: () => setting('sentinel-unmounted'),
    reboot: async () => hypervisor.reboot(),
    async foreign(key) {
      hypervisor.addForeign(domainNameOf(key))
      return async () => void hypervisor.foreign.delete(domainNameOf(key))
    },
    freePort: async () => 20_000,
  }
})

suite('fake hypervisor', () => {
  const key = testKey(1n)
  const spec = testSpec(key, template.sha256, 20_000)

  test('V5 ids and places never run out by churn: 1,000 creates and destroys', async () => {
    const hypervisor = await open()
    const before = await hypervisor.capacity()
    for (let i = 1n; i <= 1000n; i++) {
      await hypervisor.create(testSpec(testKey(i), template.sha256, 20_000))
      await hypervisor.destroy(testKey(i))
    }
    assert.deepEqual(await hypervisor.list(), [])
    assert.deepEqual(await hypervisor.capacity(), before)
  })

  test('sentinel-full refuses create and leaves nothing; another storage is taken instead', async () => {
    const full = createFakeHypervisor({ clock: hurriedClock(), storages: ['sentinel-full'], createSeconds: 0 })
    await assert.rejects(full.importTemplate(template), { code: 'storage-full' })
    const storages = ['sentinel-full', 'local']
    const hypervisor = await open({ storages })
    await hypervisor.create(spec)
    storages.pop()
    await assert.rejects(hypervisor.create(testSpec(testKey(2n), template.sha256, 1)), { code: 'storage-full' })
    await assert.rejects(hypervisor.snapshot(key, 'a'), { code: 'storage-full' })
    await assert.rejects(hypervisor.reinstall(key, testSpec(testKey(1n, 2), template.sha256, 1)), { code: 'storage-full' })
    assert.deepEqual(
      (await hypervisor.list()).map((r) => r.key),
      [key],
      'the VM that was there is whole',
    )
  })

  test('sentinel-slow takes its time on its own storage only, and can be aborted', async () => {
    const clock = hurriedClock()
    const hypervisor = await open({ clock, storages: ['local', 'sentinel-slow'] })
    await hypervisor.create(spec)
    assert.equal(clock.waitedMs, 0)
    await hypervisor.create(testSpec(testKey(2n), template.sha256, 1))
    assert.ok(clock.waitedMs >= 30_000)
    await hypervisor.destroy(testKey(2n))
    const slow = createFakeHypervisor({ clock: systemClock, storages: ['sentinel-slow'], createSeconds: 0 })
    await slow.importTemplate(template)
    const signal = AbortSignal.timeout(50)
    await assert.rejects(slow.create(spec, { signal }), { name: 'TimeoutError' })
    assert.deepEqual(await slow.list(), [])
  })

  test('sentinel-flaky fails the first create half-way and completes the next', async () => {
    const hypervisor = await open({ storages: ['sentinel-flaky'] })
    await assert.rejects(hypervisor.create(spec), { code: 'process-failed' })
    assert.deepEqual(await hypervisor.list(), [])
    await hypervisor.create(spec)
    assert.equal((await hypervisor.list()).length, 1)
  })

  test('sentinel-no-agent, sentinel-crash and sentinel-silent do as they are named', async () => {
    const started: VmRecord[] = []
    const onStart = (record: VmRecord) => void started.push(record)
    const mute = await open({ storages: ['sentinel-no-agent'], onStart })
    await mute.create(spec)
    await mute.start(key)
    await assert.rejects(mute.agent(key, 'ping'), { code: 'agent-unreachable' })
    assert.equal(started.length, 1)
    for (const [storage, state] of [
      ['sentinel-crash', 'crashed'],
      ['sentinel-silent', 'running'],
    ] as const) {
      const hypervisor = await open({ storages: [storage], onStart })
      await hypervisor.create(spec)
      await hypervisor.start(key)
      assert.equal(await hypervisor.state(key), state)
    }
    assert.equal(started.length, 1, 'neither of them reported')
  })

  test('sentinel-damaged is refused by its name', async () => {
    const hypervisor = await open()
    const image = { path: 'images/sentinel-damaged.qcow2', sha256: 'cd'.repeat(32) }
    await assert.rejects(hypervisor.importTemplate(image), { code: 'template-damaged' })
  })

  test('E7 its world survives a kill: a second process finds every VM, half-made ones too', async (t) => {
    const file = `${image(t).path}.world`
    const first = await open({ file })
    await first.create(spec)
    await first.setFacts(key, { activating: true })
    await first.start(key)
    const half = testSpec(testKey(2n), template.sha256, 20_001)
    // the process that makes this one never comes to its end: its storage takes for ever
    const stuck = createFakeHypervisor({
      clock: { ...systemClock, wait: () => new Promise(() => undefined) },
      storages: ['local'],
      createSeconds: 1,
      file,
    })
    void stuck.create(half)
    await new Promise<void>((resolve) => void stuck.watch(resolve))
    const second = createFakeHypervisor({ clock: hurriedClock(), storages: ['local'], createSeconds: 0, file })
    const [kept, cut] = await second.list()
    assert.deepEqual(kept, await first.find(key))
    assert.deepEqual(cut?.key, half.key)
    await assert.rejects(second.start(half.key), { code: 'not-in-this-state' })
    await second.create(half)
    await second.start(half.key)
    assert.equal(await second.state(half.key), 'running')
  })

  test('who only looked writes nothing: two that close at once leave what a third has made meanwhile', async (t) => {
    const file = `${image(t).path}.world`
    const look = () => createFakeHypervisor({ clock: hurriedClock(), storages: ['local'], createSeconds: 0, file })
    const lookers = [look(), look()]
    const maker = await open({ file })
    await maker.create(spec)
    await Promise.all(lookers.map((one) => one.close()))
    assert.deepEqual(await look().find(key), await maker.find(key))
  })

  test('tells who plays its guests of every start and stop, and wakes who watches', async () => {
    const seen: string[] = []
    let woken = 0
    const hypervisor = await open({
      onStart: (record, text) => void seen.push(`start ${record.key.tokenId} ${text}`),
      onStop: ({ tokenId }) => void seen.push(`stop ${tokenId}`),
    })
    const end = hypervisor.watch(() => void (woken += 1))
    await hypervisor.create(spec)
    await hypervisor.start(key)
    hypervisor.reboot()
    hypervisor.guest(key).panic()
    await hypervisor.stop(key, 'graceful')
    await hypervisor.close()
    assert.deepEqual(seen, ['start 1 {"version":1}', 'stop 1', 'start 1 {"version":1}', 'start 1 {"version":1}', 'stop 1'])
    end()
    const before = woken
    assert.ok(before > 0)
    await hypervisor.start(key)
    assert.equal(woken, before)
  })
})
