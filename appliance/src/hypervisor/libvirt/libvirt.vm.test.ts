import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import getPort from 'get-port'
import { hypervisorSuite, testKey, testSpec } from '../contract-suite.ts'
import { vmUserIds } from './libvirtd.ts'
import { readQcow2Header } from './qcow2-header.ts'
import { snapshotsIn } from './snapshots.ts'
import { insideGuest, openDriver, openStand, openTwin, processesNaming, tinyGuest, tracesOf, until } from './test-stand.ts'

const execute = promisify(execFile)
const key = testKey(1n)

hypervisorSuite('libvirt', async (t) => openTwin(t, await tinyGuest()))

/** What an sshd, or what stands for it, says first on a loopback port. */
async function bannerOf(port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(2000, () => socket.destroy())
  socket.on('data', (chunk) => {
    resolve(String(chunk).trim())
    socket.destroy()
  })
  socket.on('error', () => resolve(''))
  socket.on('close', () => resolve(''))
  return await promise
}

suite('libvirt driver', () => {
  test('E7 a verb killed in any phase is seen, repeated and taken back', async (t) => {
    const stand = await openStand(t)
    const { hypervisor, folder, runFolder } = stand
    const template = await tinyGuest()
    await hypervisor.importTemplate(template)
    const spec = testSpec(key, template.sha256, 1)
    const killedIn = async (verb: string, phase: string) => {
      const args = [
        join(import.meta.dirname, 'killed-verb.ts'),
        stand.libvirtd.uri,
        folder,
        runFolder,
        verb,
        phase,
        template.sha256,
      ]
      await assert.rejects(execute(process.execPath, args, { timeout: 30_000 }), { signal: 'SIGKILL' })
    }
    for (const phase of ['disk', 'seed']) {
      await killedIn('create', phase)
      const record = await hypervisor.find(key)
      assert.equal(record?.state, 'stopped', `killed in ${phase}: the half-made VM is seen`)
      await assert.rejects(hypervisor.start(key), { code: 'not-in-this-state' })
      if (phase === 'disk') {
        await hypervisor.destroy(key)
        assert.deepEqual(await tracesOf(stand, key), [], 'and is taken back whole')
      }
    }
    await hypervisor.create(spec)
    assert.ok((await stat(join(folder, 'vms/abcdef012345-1/g1/disk.qcow2'))).size > 0, 'or completed')
    const next = testKey(1n, 2)
    for (const phase of ['disk', 'seed']) {
      await killedIn('reinstall', phase)
      assert.ok((await hypervisor.find(key)) !== undefined, `killed in ${phase}: the old VM is still there`)
    }
    await hypervisor.reinstall(key, testSpec(next, template.sha256, 1))
    assert.deepEqual(await readdir(join(folder, 'vms/abcdef012345-1')), ['g2'])
    await hypervisor.setFacts(next, { activating: true })
    await rm(join(folder, 'vms/abcdef012345-1/g2/disk.qcow2'))
    await assert.rejects(hypervisor.create(testSpec(next, template.sha256, 1)), { code: 'not-in-this-state' })
    assert.equal(
      (await readdir(join(folder, 'vms/abcdef012345-1/g2'))).includes('disk.qcow2'),
      false,
      'no blank disk for a delivered VM',
    )
  })

  test('a full storage refuses create and import, and nothing is left', async (t) => {
    const stand = await openStand(t, 160)
    const { hypervisor, folder } = stand
    const template = await tinyGuest()
    await hypervisor.importTemplate(template)
    const { bavail, bsize } = await statfs(folder)
    await writeFile(join(folder, 'ballast'), Buffer.alloc(bavail * bsize - 50 * 2 ** 20))
    await assert.rejects(hypervisor.create(testSpec(key, template.sha256, 1)), { code: 'storage-full' })
    const image = join(folder, 'home/large.qcow2')
    const content = Buffer.concat([await readFile(template.path), Buffer.alloc(2 ** 20)])
    const path = join('/tmp', `fhv-large-${process.pid}`)
    t.after(() => rm(path, { force: true }))
    await writeFile(path, content)
    await writeFile(image, Buffer.alloc(48 * 2 ** 20))
    const sha256 = createHash('sha256').update(content).digest('hex')
    await assert.rejects(hypervisor.importTemplate({ path, sha256 }), { code: 'storage-full' })
    assert.deepEqual(await tracesOf(stand, key), [])
    assert.deepEqual(await readdir(join(folder, 'templates')), [`${template.sha256}.qcow2`])
  })

  test('V8 a template is whole by itself, read-only, and hashed again when it is imported again', async (t) => {
    const { hypervisor, folder } = await openStand(t)
    const template = await tinyGuest()
    const { virtualSizeBytes } = await hypervisor.importTemplate(template)
    const file = join(folder, 'templates', `${template.sha256}.qcow2`)
    const told = JSON.parse((await execute('qemu-img', ['info', '--output=json', file])).stdout) as { 'virtual-size': number }
    assert.equal(virtualSizeBytes, told['virtual-size'])
    assert.equal((await stat(file)).mode & 0o777, 0o440)
    const path = join(folder, 'home/overlay.qcow2')
    await execute('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', path, '1M'])
    assert.equal((await readQcow2Header(path)).backingFile, '/etc/hostname')
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    await assert.rejects(hypervisor.importTemplate({ path, sha256 }), { code: 'template-damaged' })
    const content = await readFile(file)
    content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1
    await chmod(file, 0o640)
    await writeFile(file, content)
    await assert.rejects(hypervisor.importTemplate(template), { code: 'template-damaged' })
  })

  test('libvirt takes the golden domains; VMs of others are never seen nor touched', async (t) => {
    const { hypervisor, virsh } = await openStand(t)
    for (const name of ['slirp-tcg', 'tap-kvm']) {
      // a domain of KVM is taken only where the device opens; its other half is what is looked at
      const file = join(import.meta.dirname, 'golden', `${name}.xml`)
      const text = (await readFile(file, 'utf8')).replace('type="kvm"', 'type="qemu"').replace(/<cpu mode="host.*\n/, '')
      const copy = join('/tmp', `fhv-golden-${process.pid}.xml`)
      await writeFile(copy, text)
      await virsh.call('define', ['define', copy])
      await rm(copy)
      await virsh.call('undefine', ['undefine', 'fh-abcdef012345-7'])
    }
    for (const name of ['somebody', 'fh-abcdef012345-1']) {
      const file = join('/tmp', `fhv-foreign-${process.pid}.xml`)
      await writeFile(file, `<domain type='qemu'><name>${name}</name><memory>65536</memory><os><type>hvm</type></os></domain>`)
      await virsh.call('define', ['define', file])
      await rm(file)
    }
    assert.deepEqual(await hypervisor.list(), [])
    for (const verb of [
      () => hypervisor.find(key),
      () => hypervisor.start(key),
      () => hypervisor.stop(key, 'force'),
      () => hypervisor.destroy(key),
      () => hypervisor.setFacts(key, {}),
      () => hypervisor.reinstall(key, testSpec(testKey(1n, 2), 'ab'.repeat(32), 1)),
    ]) {
      await assert.rejects(verb, { code: 'vm-foreign' })
    }
    const left = (await virsh.call('list', ['list', '--all', '--name'])).split('\n').filter((name) => name !== '')
    assert.deepEqual(left.toSorted(), ['fh-abcdef012345-1', 'somebody'])
  })

  test('a guest that runs: forward, agent, snapshots, faults around it', async (t) => {
    const stand = await openStand(t)
    const { hypervisor, folder, runFolder } = stand
    const template = await tinyGuest()
    await hypervisor.importTemplate(template)
    const port = await getPort({ host: '127.0.0.1' })
    await hypervisor.create(testSpec(key, template.sha256, port))
    const disk = join(folder, 'vms/abcdef012345-1/g1/disk.qcow2')

    await t.test('a port that another program uses is told, and the VM stays stopped', async () => {
      const server = createServer()
      await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
      await assert.rejects(hypervisor.start(key), { code: 'port-in-use' })
      await new Promise((done) => server.close(done))
      assert.equal(await hypervisor.state(key), 'stopped')
    })
    await assert.rejects(hypervisor.console(key), { code: 'not-in-this-state' })
    await assert.rejects(hypervisor.agent(key, 'ping'), { code: 'agent-unreachable' })
    await hypervisor.start(key)
    const guest = await insideGuest(hypervisor, key)
    await t.test('its port 22 answers on the loopback port', async () => {
      await until('the banner', 30, async () => (await bannerOf(port)) === 'SSH-2.0-tiny')
    })
    await t.test('the agent answers; what it refuses is no answer', async () => {
      await until('the agent', 30, () =>
        hypervisor.agent(key, 'ping').then(
          () => true,
          () => false,
        ),
      )
      await assert.rejects(hypervisor.agent(key, { exec: ['/bin/true'] }), { code: 'agent-unreachable' })
    })
    await t.test('a new snapshot replaces the old one, while the VM runs', async () => {
      await guest.write('one')
      await hypervisor.snapshot(key, 'a')
      await hypervisor.snapshot(key, 'a')
      await guest.write('two')
      await hypervisor.snapshot(key, 'b')
      assert.deepEqual(await snapshotsIn(disk), ['b'])
      await assert.rejects(hypervisor.rollback(key, 'a'), { code: 'not-found' })
      assert.equal(await hypervisor.state(key), 'running', 'a refused rollback does not stop it')
      assert.equal(await guest.read(), 'two')
    })
    await t.test('nothing of it runs as root, and its group alone reaches its sockets', async () => {
      const ids = process.getuid?.() === 0 ? await vmUserIds() : undefined
      const uid = String(ids?.uid ?? process.getuid?.())
      const pids = [...stand.machines(), ...processesNaming(join(runFolder, 'sock/libvirtd.pid'))]
      assert.ok(pids.length >= 2)
      for (const pid of pids) {
        const status = await readFile(`/proc/${pid}/status`, 'utf8')
        assert.equal(/^Uid:\s+(\d+)/m.exec(status)?.[1], uid, `process ${pid}`)
      }
      for (const name of ['sock', 'c']) assert.equal((await stat(join(runFolder, name))).mode & 0o7777, 0o2770)
      for (const name of await readdir(join(runFolder, 'c'))) {
        // to connect takes the right to write; libvirt gives QEMU umask 002
        assert.equal((await stat(join(runFolder, 'c', name))).mode & 0o002, 0, name)
      }
    })
    await t.test('V2 libvirtd dies: the VM runs on, a new daemon finds state, facts and snapshots', async () => {
      await hypervisor.setFacts(key, { activating: true })
      const [pid] = processesNaming(join(runFolder, 'sock/libvirtd.pid'))
      assert.ok(pid !== undefined)
      process.kill(pid, 'SIGKILL')
      await until('libvirtd to be gone', 10, () => processesNaming(join(runFolder, 'sock/libvirtd.pid')).length === 0)
      await assert.rejects(hypervisor.list(), { code: 'hypervisor-down' })
      assert.equal(stand.machines().length, 1)
      await stand.restart()
      const other = await openDriver(stand.libvirtd.uri, folder, runFolder)
      const record = await other.find(key)
      assert.deepEqual(
        [record?.state, record?.autostart, record?.facts.activating, record?.snapshots],
        ['running', true, true, ['b']],
      )
      assert.deepEqual(await other.list(), [record])
      assert.equal(await guest.read(), 'two')
    })
    await t.test('a watch is woken, also after libvirtd died; QEMU killed reads as crashed, and starts again', async () => {
      let woken = 0
      const end = hypervisor.watch(() => void (woken += 1))
      // a watch begins in its own time: what happens before may be missed, so it happens until it is heard
      await until('the watch to hear', 20, async () => {
        await hypervisor.setFacts(key, { activating: true })
        return woken > 0
      })
      const [pid] = stand.machines()
      assert.ok(pid !== undefined)
      process.kill(pid, 'SIGKILL')
      await until('the crash to be seen', 20, async () => (await hypervisor.state(key)) === 'crashed')
      end()
      await hypervisor.start(key)
      assert.equal(await (await insideGuest(hypervisor, key)).read(), 'two')
    })
    await t.test('V6 destroyed while it runs, it leaves no file, socket, process or open port', async () => {
      await hypervisor.destroy(key)
      assert.deepEqual(await tracesOf(stand, key), [])
      assert.deepEqual(await readdir(join(runFolder, 'c')), [])
      assert.deepEqual(stand.machines(), [])
      assert.equal(await bannerOf(port), '')
    })
  })
})
