import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test } from 'node:test'
import getPort from 'get-port'
import { systemClock } from '@freehold/appliance/clock/clock'
import { until } from '@freehold/appliance/dev/supervisor'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { planEnrolment, runEnrolment } from '@freehold/appliance/hypervisor/proxmox/enrol/enrol'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { parseAuthority } from '@freehold/appliance/hypervisor/proxmox/endpoint'
import { createProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { insideGuest, tinyGuest } from '../../appliance/src/hypervisor/libvirt/test-stand.ts'
import { driverOptions, enrolAnswers } from './driver-stand.ts'

/** What answers at the guest's port 22. */
function bannerAt(port: number): Promise<string> {
  return new Promise((done) => {
    let said = ''
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(5000, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1')
      if (said.includes('\n')) socket.destroy()
    })
    socket.on('close', () => done(said))
  })
}

suite('npm run pve: guests are real', () => {
  test('what it prints is enough: enrolled with its token, a VM boots, its shell and its port 22 answer, nothing is left', async (t) => {
    const template = await tinyGuest()
    // the sockets of its guests need a short path
    const folder = mkdtempSync('/tmp/pvm-')
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--port', '0', '--pace', '0.02'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 600_000,
      env: { ...process.env, TMPDIR: folder },
    })
    const closed = once(child, 'close')
    t.after(async () => {
      child.kill('SIGTERM')
      await closed
      rmSync(folder, { recursive: true })
    })
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line)
      if (line.startsWith('privileged token')) break
    }
    const printed = lines.join('\n')
    assert.match(printed, /^guests: real, (KVM|TCG);/m)
    const pem = printed.slice(0, printed.indexOf('\npve1'))
    const port = Number(/^pve1\s+https:\/\/127\.0\.0\.1:(\d+)/m.exec(printed)?.[1])
    const [, id = '', secret = ''] = /: (\S+![^=]+)=(\S+)$/.exec(printed) ?? []
    const ways = [{ endpoint: { host: '127.0.0.1', port }, pin: parseAuthority(pem, 'pve1') }]
    const privileged = openClient(ways, { id, secret }, systemClock)
    t.after(() => privileged.close())
    const token = await runEnrolment(await planEnrolment(privileged, enrolAnswers), () => undefined)
    const driver = createProxmoxHypervisor({ ...driverOptions(ways, token), pace: 0.02 })
    t.after(() => driver.close())
    await driver.importTemplate(template)
    const sshPort = await getPort({ host: '127.0.0.1' })
    await driver.create(testSpec(testKey(1n), template.sha256, sshPort))
    await driver.start(testKey(1n))
    const guest = await insideGuest(driver, testKey(1n))
    await guest.write('kept')
    assert.equal(await guest.read(), 'kept')
    let banner = ''
    await until('its port 22', 60, async () => (banner = await bannerAt(sshPort)).startsWith('SSH-2.0'), 200)
    assert.match(banner, /^SSH-2\.0-tiny/)
    await driver.destroy(testKey(1n))
    assert.deepEqual(await driver.list(), [])
  })
})
