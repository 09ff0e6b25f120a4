import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hypervisorAnswer, networkAnswer } from '../config/schema.ts'
import { addressPlanOf } from './installed-network.ts'

const network = networkAnswer.parse({})
const proxmox = hypervisorAnswer.parse({
  kind: 'proxmox',
  nodes: [{ url: 'https://192.0.2.1:8006', name: 'pve1' }],
  tokenFile: '/etc/freehold/secrets/proxmox-token',
  diskStorage: 'local-lvm',
})
const libvirt = hypervisorAnswer.parse({ kind: 'libvirt', sshPorts: { from: 2000, to: 2009 } })

suite('addresses of guests by place', () => {
  test('denies guests of an installed host the addresses of user networking, on Proxmox as on libvirt', () => {
    for (const hypervisor of [proxmox, libvirt]) {
      const { plan, guestNet } = addressPlanOf({ mode: 'installed', hypervisor, network })
      assert.deepEqual(plan.ipv4, { network: '10.77.0.0', prefixLength: 16, gateway: '10.77.0.1' })
      assert.equal(guestNet?.gateway, '10.77.0.1')
    }
  })

  test('embedded mode has a loopback port for each guest and nothing else', () => {
    assert.deepEqual(addressPlanOf({ mode: 'embedded', hypervisor: proxmox, network }), {
      plan: { ipv4: null, ipv6: null, sshPorts: { from: 20_000, to: 29_999 } },
      guestNet: null,
    })
    assert.deepEqual(addressPlanOf({ mode: 'embedded', hypervisor: libvirt, network }).plan.sshPorts, { from: 2000, to: 2009 })
  })
})
