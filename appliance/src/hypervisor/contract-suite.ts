import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import type { VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { Hypervisor, VmSpec } from './port.ts'

/** The inside of a VM. */
export interface TwinGuest {
  write(text: string): Promise<void>
  read(): Promise<string | undefined>
  /** Absent where no kernel runs that could panic: the row on it is not registered there. */
  kernel?: { panic(): Promise<void>; boots(): Promise<number> }
}

/** What a twin brings to the suite. */
export interface Twin {
  hypervisor: Hypervisor
  template: { path: string; sha256: string }
  /** Waits until the guest is up and returns something to act on its disk with. */
  guest(key: VmKey): Promise<TwinGuest>
  /** All names of files, domains and processes that mention the VM. */
  traces(key: VmKey): Promise<string[]>
  /** The hypervisor stops answering; returns what mends it. */
  breakDown(): Promise<() => Promise<void>>
  /** The storage is unmounted; returns what mends it. */
  unmount(): Promise<() => Promise<void>>
  /** The machine is switched off without a word and on again. */
  reboot(): Promise<void>
  /** Makes a machine of somebody else in the place of the key's name. */
  foreign(key: VmKey): Promise<() => Promise<void>>
  freePort(): Promise<number>
}

export const testKey = (tokenId: bigint, generation = 1): VmKey => ({ installation: 'abcdef012345', tokenId, generation })

export function testSpec(key: VmKey, template: string, sshPort: number): VmSpec {
  return {
    key,
    vcpus: 1,
    memoryMiB: 128,
    diskGiB: 1,
    addresses: { ipv4: null, ipv6: null, sshPort },
    mac: `52:54:00:00:${(key.tokenId % 256n).toString(16).padStart(2, '0')}:01`,
    template,
    seed: {
      userData: '#cloud-config\n{}\n',
      metaData: '{"instance-id":"a","local-hostname":"vm"}',
      networkConfig: '{"version":2}',
      freeholdJson: '{"version":1}',
    },
    origin: { buyer: '0x00000000000000000000000000000000000000aa', boughtBlock: 7 },
  }
}

const code = (wanted: string) => (error: unknown) => {
  assert.ok(error instanceof AppError, String(error))
  assert.equal(error.code, wanted)
  return true
}

/** The one suite that every hypervisor passes (V1). `open` makes a fresh twin; its own clean-up is the caller's. */
export function hypervisorSuite(name: string, open: (t: TestContext) => Promise<Twin>): void {
  suite(`V1 hypervisor contract: ${name}`, () => {
    test('denials and absence', async (t) => {
      const twin = await open(t)
      const { hypervisor, template } = twin
      const key = testKey(1n)
      const spec = testSpec(key, template.sha256, await twin.freePort())

      await t.test('refuses to create without the template', () =>
        assert.rejects(hypervisor.create(spec), code('template-missing')),
      )
      await t.test('V8 refuses an image whose content is another', () =>
        assert.rejects(
          hypervisor.importTemplate({ path: template.path, sha256: `0${template.sha256.slice(1, 63)}0` }),
          code('template-damaged'),
        ),
      )
      await t.test('leaves nothing of a refused create', async () => {
        assert.deepEqual(await hypervisor.list(), [])
        assert.deepEqual(await twin.traces(key), [])
      })
      await hypervisor.importTemplate(template)
      await t.test('P4 refuses names from outside that no contract gives, and makes nothing', async () => {
        for (const installation of ['../x', 'abcdef\n12345', 'abcdef\u000012345', '']) {
          const evil = { ...key, installation }
          for (const verb of [
            () => hypervisor.create({ ...spec, key: evil }),
            () => hypervisor.find(evil),
            () => hypervisor.destroy(evil),
            () => hypervisor.start(evil),
            () => hypervisor.reinstall(evil, { ...spec, key: { ...evil, generation: 2 } }),
          ]) {
            await assert.rejects(verb, code('bad-input'))
          }
        }
        await assert.rejects(hypervisor.create({ ...spec, template: '../../etc/passwd' }), code('bad-input'))
        await assert.rejects(hypervisor.removeTemplate('../x'), code('bad-input'))
        await assert.rejects(hypervisor.importTemplate({ ...template, sha256: '../x' }), code('bad-input'))
        await assert.rejects(hypervisor.snapshot(key, '../x'), code('bad-input'))
        assert.deepEqual(await hypervisor.list(), [])
      })
      await t.test('refuses a template that is not there, and makes nothing', async () => {
        await assert.rejects(hypervisor.create({ ...spec, template: '0'.repeat(64) }), code('template-missing'))
        assert.deepEqual(await twin.traces(key), [])
      })
      await t.test('every verb names an unknown VM as unknown', async () => {
        for (const verb of [
          () => hypervisor.start(key),
          () => hypervisor.stop(key, 'force'),
          () => hypervisor.snapshot(key, 'a'),
          () => hypervisor.state(key),
          () => hypervisor.setFacts(key, {}),
        ]) {
          await assert.rejects(verb, code('vm-unknown'))
        }
        assert.equal(await hypervisor.find(key), undefined)
        await hypervisor.destroy(key)
      })
      await t.test('P4 never touches a machine that bears our name without our mark', async () => {
        const remove = await twin.foreign(key)
        await assert.rejects(hypervisor.create(spec), code('vm-foreign'))
        assert.deepEqual(await hypervisor.list(), [])
        await remove()
      })
      await t.test('V2 a fault is never read as absence: the hypervisor is down', async () => {
        await hypervisor.create(spec)
        const mend = await twin.breakDown()
        for (const verb of [
          () => hypervisor.list(),
          () => hypervisor.find(key),
          () => hypervisor.state(key),
          () => hypervisor.destroy(key),
        ]) {
          await assert.rejects(verb, code('hypervisor-down'))
        }
        await mend()
        assert.equal((await hypervisor.list()).length, 1)
      })
      await t.test('V2 a fault is never read as absence: the storage is not mounted', async () => {
        const mend = await twin.unmount()
        for (const verb of [
          () => hypervisor.list(),
          () => hypervisor.find(key),
          () => hypervisor.destroy(key),
          () => hypervisor.create(testSpec(testKey(9n), template.sha256, 1)),
        ]) {
          await assert.rejects(verb, code('pool-not-mounted'))
        }
        await mend()
        assert.equal((await hypervisor.list()).length, 1)
      })
      await t.test('keeps a template while a disk refers to it', async () => {
        assert.equal((await hypervisor.templates())[0]?.usedBy, 1)
        await assert.rejects(hypervisor.removeTemplate(template.sha256), code('not-in-this-state'))
      })
      await t.test('an aborted create leaves nothing, and the next one completes', async () => {
        const other = testSpec(testKey(2n), template.sha256, await twin.freePort())
        await assert.rejects(hypervisor.create(other, { signal: AbortSignal.abort() }))
        assert.equal(await hypervisor.find(other.key), undefined)
        await hypervisor.create(other)
        await hypervisor.create(other)
        assert.equal((await hypervisor.list()).length, 2)
        await assert.rejects(
          hypervisor.create({ ...other, key: testKey(2n, 2) }),
          code('not-in-this-state'),
          'a second generation beside the first',
        )
        await hypervisor.destroy(testKey(2n, 2))
        assert.equal((await hypervisor.list()).length, 2, 'destroy of another generation touches nothing')
        await hypervisor.destroy(other.key)
      })
      await t.test('V6 destroy leaves nothing behind, and may be repeated', async () => {
        await hypervisor.destroy(key)
        await hypervisor.destroy(key)
        assert.deepEqual(await twin.traces(key), [])
        await hypervisor.removeTemplate(template.sha256)
        assert.deepEqual(await hypervisor.templates(), [])
      })
    })

    test('a life', async (t) => {
      const twin = await open(t)
      const { hypervisor, template } = twin
      await hypervisor.importTemplate(template)
      const key = testKey(3n)
      const spec = testSpec(key, template.sha256, await twin.freePort())
      const before = await hypervisor.capacity()
      await hypervisor.create(spec)

      await t.test('M4 is what was asked for, stopped, without autostart', async () => {
        const record = await hypervisor.find(key)
        assert.deepEqual(record?.spec, {
          vcpus: 1,
          memoryMiB: 128,
          diskGiB: 1,
          addresses: spec.addresses,
          mac: spec.mac,
          template: spec.template,
          origin: spec.origin,
        })
        assert.deepEqual([record?.state, record?.autostart, record?.key], ['stopped', false, key])
        assert.ok((await hypervisor.capacity()).diskUnpromisedBytes < before.diskUnpromisedBytes)
      })
      await t.test('remembers facts', async () => {
        const hostKey = { fingerprint: 'SHA256:x+/<&>', publicKey: "ssh-ed25519 AAAA it's" }
        await hypervisor.setFacts(key, { hostKey })
        await hypervisor.setFacts(key, { activating: true })
        assert.deepEqual((await hypervisor.find(key))?.facts, { hostKey, activating: true })
      })
      await hypervisor.start(key)
      await hypervisor.start(key)
      let guest = await twin.guest(key)
      await t.test('runs with autostart', async () => {
        const record = await hypervisor.find(key)
        assert.deepEqual([record?.state, record?.autostart], ['running', true])
        assert.equal((await hypervisor.metrics(key)).at > 0, true)
      })
      await t.test('V9 the console speaks', async () => {
        const stream = await hypervisor.console(key)
        let heard = ''
        const answered = Promise.withResolvers<void>()
        stream.onData((bytes) => {
          heard += Buffer.from(bytes).toString('latin1')
          if (heard.includes('marco')) answered.resolve()
        })
        stream.write(Buffer.from('echo marco\n'))
        await answered.promise
        stream.close()
      })
      await t.test('data survive a stop; V3 a reboot of the host brings running VMs back', async () => {
        await guest.write('first')
        await hypervisor.stop(key, 'graceful')
        await hypervisor.stop(key, 'graceful')
        assert.deepEqual([(await hypervisor.find(key))?.state, (await hypervisor.find(key))?.autostart], ['stopped', false])
        await twin.reboot()
        assert.equal((await hypervisor.find(key))?.state, 'stopped')
        await hypervisor.start(key)
        await twin.guest(key)
        await twin.reboot()
        assert.equal((await hypervisor.find(key))?.state, 'running')
        guest = await twin.guest(key)
        assert.equal(await guest.read(), 'first')
      })
      if (guest.kernel !== undefined) {
        await t.test('V4 a panic of the guest restarts it', async () => {
          const { panic, boots } = guest.kernel ?? assert.fail()
          const before = await boots()
          await panic()
          guest = await twin.guest(key)
          assert.equal(await (guest.kernel ?? assert.fail()).boots(), before + 1, 'it did not boot again')
          assert.equal((await hypervisor.find(key))?.state, 'running')
        })
      }
      await t.test('V9 snapshot and rollback', async () => {
        await hypervisor.snapshot(key, 'before')
        assert.deepEqual((await hypervisor.find(key))?.snapshots, ['before'])
        await guest.write('second')
        await hypervisor.rollback(key, 'before')
        assert.equal((await hypervisor.find(key))?.state, 'stopped')
        await hypervisor.start(key)
        guest = await twin.guest(key)
        assert.equal(await guest.read(), 'first')
      })
      await t.test('V9 reinstall: a fresh disk under the next generation, addresses kept, snapshots gone', async () => {
        const next = testSpec(testKey(3n, 2), template.sha256, spec.addresses.sshPort ?? 0)
        await assert.rejects(hypervisor.reinstall(key, { ...next, template: '0'.repeat(64) }), code('template-missing'))
        assert.equal((await hypervisor.find(key))?.state, 'running', 'a reinstall that cannot be leaves the VM as it was')
        await hypervisor.reinstall(key, next)
        assert.equal((await hypervisor.find(next.key))?.facts.activating, true, 'the same purchase stays protected')
        await hypervisor.reinstall(key, next)
        assert.equal(await hypervisor.find(key), undefined)
        const record = await hypervisor.find(next.key)
        assert.deepEqual(
          [record?.state, record?.spec.addresses, record?.spec.mac, record?.snapshots],
          ['stopped', spec.addresses, spec.mac, []],
        )
        await hypervisor.start(next.key)
        guest = await twin.guest(next.key)
        assert.equal(await guest.read(), undefined)
        await hypervisor.destroy(next.key)
        assert.deepEqual(await twin.traces(next.key), [])
      })
    })
  })
}
