import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { planEnrolment, runEnrolment } from '@freehold/appliance/hypervisor/proxmox/enrol/enrol'
import { grantsFor } from '@freehold/appliance/hypervisor/proxmox/enrol/rights'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { PveError } from '@freehold/appliance/hypervisor/proxmox/pve-error'
import { reliability } from '@freehold/appliance/dev/reliability'
import { z } from 'zod'
import { enrolAnswers, openDriverStand, waysTo } from './driver-stand.ts'
import { openStand } from './stand.ts'

type Verb = 'post' | 'put' | 'delete'
/** A VM that is somebody else's, outside the pool. */
const foreign = 4711

/** What a thief of the token would try, each with parameters that the server takes from whoever may. */
const beyond: readonly [string, Verb, string, Record<string, string | number>?][] = [
  ['make a user', 'post', '/access/users', { userid: 'thief@pve' }],
  ['change its own user', 'put', '/access/users/freehold@pve', { comment: 'x' }],
  ['delete the user of root', 'delete', '/access/users/root@pam'],
  ['make a token of root', 'post', '/access/users/root@pam/token/thief'],
  ['make a role', 'post', '/access/roles', { roleid: 'Thief', privs: 'Sys.Modify' }],
  ['widen its own role', 'put', '/access/roles/FreeholdVM', { privs: 'Sys.Modify' }],
  ['take rights on all', 'put', '/access/acl', { path: '/', roles: 'Administrator', tokens: 'freehold@pve!appliance' }],
  ['change the options of the cluster', 'put', '/cluster/options', { console: 'html5' }],
  ['switch the firewall off', 'put', '/cluster/firewall/options', { enable: 0 }],
  ['make a bridge', 'post', '/nodes/pve1/network', { iface: 'vmbr9', type: 'bridge' }],
  ['make a storage', 'post', '/storage', { storage: 'thief', type: 'dir', path: '/root/.ssh' }],
  ['let its storage hold other things', 'put', '/storage/local', { content: 'snippets' }],
  ['start the VM of another', 'post', `/nodes/pve1/qemu/${foreign}/status/start`],
  ['destroy the VM of another', 'delete', `/nodes/pve1/qemu/${foreign}`],
  ['change the VM of another', 'put', `/nodes/pve1/qemu/${foreign}/config`, { memory: '512' }],
  ['run a program in the VM of another', 'post', `/nodes/pve1/qemu/${foreign}/agent/exec`, { command: 'id' }],
  ['make a VM outside its pool', 'post', '/nodes/pve1/qemu', { vmid: 300, memory: '128' }],
  ['make a pool', 'post', '/pools', { poolid: 'thief' }],
]

suite('P3 the Proxmox token never has more than its role', () => {
  for (const [what, verb, path, params] of beyond) {
    reliability('isolation-proxmox-token', `P3 a stolen token is no way to ${what}`, async (fault, t) => {
      const stand = await openDriverStand()
      t.after(() => stand.close())
      const root = openClient(waysTo(stand), stand.rootToken, systemClock)
      t.after(() => root.close())
      await root.post('/nodes/pve1/qemu', z.unknown(), { vmid: foreign, memory: '128' })
      const client = openClient(waysTo(stand), stand.token, systemClock)
      t.after(() => client.close())
      await stand.hypervisor.list()
      const before = stand.log.length
      await assert.rejects(client[verb](path, z.unknown(), params), (error) => {
        assert.ok(error instanceof PveError, String(error))
        assert.equal(error.kind, 'forbidden', `${error.call}: ${error.reason}`)
        return true
      })
      const asked = stand.log.slice(before)
      assert.deepEqual(new Set(asked.map(({ status }) => status)), new Set([403]))
      fault.struck(asked)
    })
  }

  test('P3 a token of the same user without separation has no right more', async (t) => {
    const stand = await openDriverStand()
    t.after(() => stand.close())
    const { secret } = stand.access.addToken('freehold@pve', 'whole', { privsep: false })
    const rights = async (token: { id: string; secret: string }) => {
      const client = openClient(waysTo(stand), token, systemClock)
      t.after(() => client.close())
      return await client.get('/access/permissions', z.record(z.string(), z.record(z.string(), z.unknown())))
    }
    const own = await rights(stand.token)
    assert.ok(Object.keys(own).length > 3)
    assert.deepEqual(await rights({ id: 'freehold@pve!whole', secret }), own)
  })

  test('P3 no grant is on the root of all, and none can change the node, its users or its rights', () => {
    const grants = grantsFor({ ...enrolAnswers, nodes: ['pve1', 'pve2'], zone: 'localnetwork' })
    for (const { paths, privileges } of grants) {
      for (const path of paths) assert.match(path, /^\/(pool|storage|sdn\/zones|nodes)\/[\w-]+/)
      for (const privilege of privileges) {
        assert.doesNotMatch(privilege, /^(Sys\.(?!Audit$)|Permissions|User|Realm|Group|Mapping|Pool\.Allocate)/)
      }
    }
    assert.deepEqual(
      grants.filter(({ paths }) => paths.some((path) => path.startsWith('/nodes'))).map(({ privileges }) => privileges),
      [['Sys.Audit']],
    )
  })

  test('P3 enrolment leaves no key in a file of root: it asks the API alone, and its token is separated from its user', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    const root = openClient(waysTo(stand), stand.rootToken, systemClock)
    t.after(() => root.close())
    const token = await runEnrolment(await planEnrolment(root, enrolAnswers), () => undefined)
    assert.equal(token.id, 'freehold@pve!appliance')
    const written = stand.log.filter(({ verb }) => verb !== 'GET').map(({ path }) => path)
    assert.ok(written.length > 5)
    for (const path of written) {
      assert.doesNotMatch(path, /termproxy|vncshell|spiceshell|execute|\/apt\/|\/certificates|root@pam/, path)
    }
    assert.equal(stand.access.users.get('freehold@pve')?.tokens.get('appliance')?.privsep, true)
  })
})
