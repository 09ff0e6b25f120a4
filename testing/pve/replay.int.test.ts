import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as answers from '@freehold/appliance/hypervisor/proxmox/answers'
import type { z } from 'zod'
import { leftOut } from './left-out.ts'
import { records, replay } from './replay.ts'

/** What the client reads, by method and path of the record. */
const typed: [RegExp, z.ZodType][] = [
  [/^GET \/version$/, answers.version],
  [/^GET \/nodes$/, answers.nodes],
  [/^GET \/cluster\/resources$/, answers.resources],
  [/^GET \/nodes\/[^/]+\/qemu\/\d+\/config$/, answers.vmConfig],
  [/^GET \/nodes\/[^/]+\/qemu\/\d+\/status\/current$/, answers.vmStatus],
  [/^GET \/nodes\/[^/]+\/tasks$/, answers.tasks],
  [/^GET \/nodes\/[^/]+\/tasks\/[^/]+\/status$/, answers.taskStatus],
  [/^GET \/nodes\/[^/]+\/tasks\/[^/]+\/log$/, answers.taskLog],
  [/^GET \/nodes\/[^/]+\/qemu\/\d+\/snapshot$/, answers.snapshots],
  [/^GET \/nodes\/[^/]+\/storage\/[^/]+\/status$/, answers.storageStatus],
  [/^GET \/nodes\/[^/]+\/storage\/[^/]+\/content$/, answers.volumes],
  [/^GET \/pools$/, answers.pools],
  [/^GET \/access\/permissions$/, answers.permissions],
  [/^GET \/access\/acl$/, answers.acl],
  [/^GET \/access\/users\/[^/]+\/token$/, answers.tokens],
  [/^POST \/access\/users\/[^/]+\/token\/[^/]+$/, answers.tokenCreated],
  [/^GET \/nodes\/[^/]+\/qemu\/\d+\/firewall\/options$/, answers.firewallOptions],
  [/^GET \/nodes\/[^/]+\/qemu\/\d+\/firewall\/rules$/, answers.firewallRules],
  [/^GET \/nodes\/[^/]+\/qemu\/\d+\/firewall\/ipset\/[^/]+$/, answers.ipsetMembers],
  [/^GET \/nodes\/[^/]+\/network$/, answers.networks],
  [/^POST \/nodes\/[^/]+\/qemu$|^POST .*\/(clone|template|upload|snapshot|rollback)$|^POST .*\/status\/\w+$/, answers.upid],
  [/^DELETE \/nodes\/[^/]+\/qemu\/\d+$|^DELETE .*\/(snapshot|content)\/.+$|^PUT .*\/resize$/, answers.upid],
  [/^POST .*\/agent\/ping$|^GET .*\/agent\/network-get-interfaces$/, answers.agentResult],
  [/^POST .*\/agent\/exec$/, answers.agentStarted],
  [/^GET .*\/agent\/exec-status$/, answers.agentExit],
]

/** Records that the stand-in plays otherwise, and why. */
const known = new Map([
  [35, 'the list of permissions shows other paths beside those of the entries'],
  [185, 'which VMs the statistics had seen already'],
  [243, 'the port of the terminal did not come up on the recorded host'],
  [245, 'interfaces of the recorded guest'],
  [250, 'what a command printed in the recorded guest'],
  [340, 'interfaces of the recorded guest'],
  [361, 'what a restore from a backup brings back'],
  [377, 'pending changes of the interfaces of the host'],
  [380, 'tasks that were begun without a record'],
  [383, 'a clone that takes no time has ended when it is asked for'],
  [418, 'a task that was begun without a record'],
])

suite('Proxmox recordings', () => {
  test('every recorded answer that the client would read fits its schema', () => {
    let read = 0
    for (const [index, { request, response }] of records.entries()) {
      const name = `${request.method} ${request.path}`
      const found = typed.find(([what]) => what.test(name))
      if (found === undefined || response?.status !== 200) continue
      const body = JSON.parse(JSON.stringify(response.body), (_, value: unknown) =>
        Array.isArray(value) ? value.filter((one) => typeof one !== 'string' || !/^<\d+ more>$/.test(one)) : value,
      ) as { data: unknown }
      const parsed = found[1].safeParse(body.data)
      assert.ok(parsed.success, `#${index} ${name}: ${parsed.error?.message}`)
      read++
    }
    assert.ok(read > 200, `${read} answers were read`)
  })

  test('nothing that the client names is left out', () => {
    for (const { what } of leftOut) {
      for (const { request } of records) {
        const name = `${request.method} ${request.path}`
        if (!what.test(name) || name.includes('/tasks/')) continue
        assert.ok(!typed.some(([typedPath]) => typedPath.test(name)), name)
      }
    }
  })

  test('the stand-in answers as recorded, in order, but for the differences named here', async () => {
    const outcomes = await replay()
    assert.equal(outcomes.length, 431)
    const differs = outcomes.filter((o) => o.kind === 'differs')
    for (const o of differs) assert.ok(known.has(o.index), `#${o.index} ${o.name}\nrecorded ${o.recorded}\nplayed   ${o.played}`)
    const matched = outcomes.filter((o) => o.kind === 'matched').length
    assert.ok(matched / (matched + differs.length) >= 0.95)
  })
})
