import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { testKey } from '@freehold/appliance/hypervisor/contract-suite'
import * as answers from '@freehold/appliance/hypervisor/proxmox/answers'
import type { z } from 'zod'
import { openDriverStand } from './driver-stand.ts'
import { leftOut } from './left-out.ts'
import { clearCell, placesIn, verbs } from './matrix.ts'
import { records, replay } from './replay.ts'
import { findRoute } from './schema.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-replay-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

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
  [/^GET \/cluster\/sdn\/vnets$/, answers.vnets],
  [/^POST \/nodes\/[^/]+\/qemu$|^POST .*\/(clone|template|upload|snapshot|rollback)$|^POST .*\/status\/\w+$/, answers.upid],
  [/^DELETE \/nodes\/[^/]+\/qemu\/\d+$|^DELETE .*\/(snapshot|content)\/.+$|^PUT .*\/resize$/, answers.upid],
  [/^POST .*\/agent\/ping$|^GET .*\/agent\/network-get-interfaces$/, answers.agentResult],
  [/^POST .*\/agent\/exec$/, answers.agentStarted],
  [/^GET .*\/agent\/exec-status$/, answers.agentExit],
]

/** Records that the stand-in plays otherwise, and why. */
const known = new Map([
  [377, 'the text of the difference between two files of the host'],
  [383, 'a clone that takes no time has ended when it is asked for'],
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

  test('nothing that the client calls is left out: every verb of the table is run, and its calls are held against the list', async (t) => {
    const stand = await openDriverStand()
    t.after(() => stand.close())
    await stand.hypervisor.importTemplate(template)
    for (const { grants } of verbs) {
      if (grants !== undefined) stand.access.roles.set('FreeholdVM', `${stand.access.roles.get('FreeholdVM')} ${grants}`)
    }
    for (const [i, verb] of verbs.entries()) {
      const cell = { key: testKey(BigInt(i + 1)), template }
      if (verb.ownTemplate === true) continue
      await verb.before(stand.hypervisor, cell)
      verb.meanwhile?.(stand, cell)
      await verb.run(stand.hypervisor, cell)
      await clearCell(stand, verb, cell)
    }
    const called = new Set(placesIn(stand, 0).map(({ method, template: path }) => `${method} ${path}`))
    assert.ok(called.size > 40, `${called.size} calls`)
    let held = 0
    for (const { request } of records) {
      const name = `${request.method} ${request.path}`
      if (!leftOut.some(({ what }) => what.test(name))) continue
      const route = findRoute(request.method, request.path)?.template
      assert.ok(!called.has(`${request.method} ${route}`), name)
      held++
    }
    assert.equal(held, 28)
  })

  test('nothing that the client names is left out', () => {
    for (const { what } of leftOut) {
      for (const { request } of records) {
        const name = `${request.method} ${request.path}`
        if (what.test(name)) assert.ok(!typed.some(([typedPath]) => typedPath.test(name)), name)
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
    // a difference that is none any more leaves the list
    for (const [index] of known)
      assert.ok(
        differs.some((o) => o.index === index),
        `#${index} comes out alike`,
      )
  })
})
