import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { networkAnswer } from '@freehold/appliance/config/schema'
import { until } from '@freehold/appliance/dev/supervisor'
import { AppError } from '@freehold/appliance/errors/app-error'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { openHypervisor } from '@freehold/appliance/hypervisor/open-hypervisor'
import type { Hypervisor } from '@freehold/appliance/hypervisor/port'
import { runOrFail } from '@freehold/appliance/hypervisor/libvirt/run'
import { tapPrefix } from '@freehold/appliance/network/guest-addresses'
import { addressPlanOf } from '@freehold/appliance/network/installed-network'
import { startBridgeStand, world, type BridgeStand } from '../stands/bridge/stand.ts'
import { openDriverStand, type DriverStand } from './driver-stand.ts'

// An installed host whose VMs are on Proxmox: its card on their bridge makes it their gateway and the way in. The root helper is
// the real one, in a namespace; a stack behind the card plays a VM and another machine on the bridge.

const sshPort = 20_001
const card = 'bc:24:11:00:00:77'

suite('an installed host with its guests on Proxmox', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pve-card-'))
  let stand: BridgeStand
  let pve: DriverStand
  let hypervisor: Hypervisor
  let vmsNet = ''
  const template = { path: join(folder, 'template.qcow2'), sha256: '' }

  /** What the answer file says; `guestCard` of the MAC given. */
  function configOf(guestCard: string | undefined): Parameters<typeof openHypervisor>[0]['config'] {
    return {
      mode: 'installed',
      network: networkAnswer.parse({}),
      listen: { login: '10.77.0.1:7443' } as Parameters<typeof openHypervisor>[0]['config']['listen'],
      hypervisor: {
        kind: 'proxmox',
        nodes: [{ url: `https://127.0.0.1:${pve.servers.get('pve1')?.port}`, name: 'pve1' }],
        authorityFile: join(folder, 'ca.pem'),
        token: pve.token.id,
        tokenFile: join(folder, 'token'),
        pool: 'freehold',
        diskStorage: 'local',
        mediaStorage: 'freehold-media',
        bridge: 'vmbr0',
        vmids: { from: 10_000, to: 10_999 },
        guestNetworks: ['10.77.0.0/16'],
        ...(guestCard !== undefined && { guestCard }),
      },
    }
  }

  before(async () => {
    stand = await startBridgeStand({ tapOwner: 65_534, group: 65_534 })
    vmsNet = `${stand.host}v`
    const ip = (...args: string[]) => runOrFail(`ip ${args.join(' ')}`, 'ip', args)
    await ip('netns', 'add', vmsNet)
    await ip('-n', stand.host, 'link', 'add', 'guests0', 'address', card, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', vmsNet)
    await ip('-n', vmsNet, 'addr', 'add', '10.77.0.11/16', 'dev', 'eth0')
    await ip('-n', vmsNet, 'link', 'set', 'eth0', 'up')
    await ip('-n', vmsNet, 'route', 'add', 'default', 'via', '10.77.0.1')
    pve = await openDriverStand()
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', template.path, '64M'])
    template.sha256 = createHash('sha256').update(readFileSync(template.path)).digest('hex')
    writeFileSync(join(folder, 'ca.pem'), pve.authority.pem)
    writeFileSync(join(folder, 'token'), pve.token.secret, { mode: 0o600 })
  })
  after(async () => {
    await pve?.close()
    if (vmsNet !== '') await runOrFail('remove the namespace', 'ip', ['netns', 'delete', vmsNet])
    await stand?.stop()
    rmSync(folder, { recursive: true })
  })

  const open = (mac: string | undefined) =>
    openHypervisor({ config: configOf(mac), stateFolder: folder, clock: systemClock, host: stand.client })
  const bridged = async () => (await stand.in(stand.host, 'ip', '-j', 'link', 'show', 'guests0')).stdout.includes('"master"')
  const reachable = async () => (await stand.reach(stand.outside, [[world.uplink4, sshPort]]))[0] === true

  test('denies the card that the host itself is reached by, and one that is not there; nothing is bridged', async () => {
    const up = /link\/ether (\S+)/.exec((await stand.in(stand.host, 'ip', 'link', 'show', 'up0')).stdout)?.[1]
    for (const [mac, says] of [
      [up, /reached by up0/],
      ['bc:24:11:00:00:78', /No card/],
    ] as const) {
      await assert.rejects(open(mac), (error) => {
        assert.ok(error instanceof AppError && error.code === 'host-refused', String(error))
        assert.match(error.detail, says)
        return true
      })
    }
    assert.equal(await bridged(), false)
  })

  test('denies to promise a port to a VM where the host has no card in its network', () => {
    assert.equal(addressPlanOf({ ...configOf(undefined) }).plan.sshPorts, null)
    assert.deepEqual(addressPlanOf({ ...configOf(card) }).plan.sshPorts, { from: 20_000, to: 29_999 })
  })

  test('each VM is reached at its port of the host as soon as it is made, from its true source; gone with the VM', async () => {
    const peer = join(import.meta.dirname, '../stands/bridge/peer.py')
    const listener = await stand.talker(vmsNet, '/usr/bin/python3', peer, 'listen', 'tcp:22')
    await until('the guest to listen', 60, () => Promise.resolve(listener.lines.includes('up')))
    hypervisor = await open(card)
    assert.equal(await bridged(), true)
    await hypervisor.importTemplate(template)
    assert.equal(await reachable(), false, 'before there is a VM')
    const spec = testSpec(testKey(1n), template.sha256, sshPort)
    await hypervisor.create({ ...spec, addresses: { ipv4: '10.77.0.11', ipv6: null, sshPort } })
    await hypervisor.start(testKey(1n))
    await until('its port of the host to lead there', 60, reachable, 200)
    assert.ok(listener.lines.includes(`tcp ${world.outside4} 22`), listener.lines.join('\n'))
    const links = (await stand.in(stand.host, 'ip', '-br', 'link')).stdout
    assert.ok(!links.includes(tapPrefix), `taps were made:\n${links}`)
    await hypervisor.destroy(testKey(1n))
    assert.equal(await reachable(), false, 'after the VM is gone')
  })

  test('the guest gets out by the host, and reaches neither its other ports nor private networks', async () => {
    const peer = join(import.meta.dirname, '../stands/bridge/peer.py')
    const far = await stand.talker(stand.outside, '/usr/bin/python3', peer, 'listen', 'tcp:80')
    await until('the world outside to listen', 60, () => Promise.resolve(far.lines.includes('up')))
    const own = await stand.talker(stand.host, '/usr/bin/python3', peer, 'listen', 'tcp:8080')
    await until('a service of the host to listen', 60, () => Promise.resolve(own.lines.includes('up')))
    await until('the way out', 60, async () => (await stand.reach(vmsNet, [[world.far4, 80]]))[0] === true, 200)
    assert.deepEqual(
      await stand.reach(vmsNet, [
        ['10.77.0.1', 8080],
        ['192.168.50.1', 80],
      ]),
      [false, false],
    )
    assert.deepEqual(own.lines, ['up'])
  })
})
