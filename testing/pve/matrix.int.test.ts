import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { testKey } from '@freehold/appliance/hypervisor/contract-suite'
import { openDriverStand, type DriverStand } from './driver-stand.ts'
import type { Fault } from './faults.ts'
import { clearCell, faultsAt, nameOf, ofAnotherInstallation, placesIn, runCell, verbs, vmsOf } from './matrix.ts'

/** Every fault at every question takes ten minutes; by default questions lose their answer in three ways. */
const all = process.env['FREEHOLD_ALL'] === '1'
// the journal is synced at each step: in memory that costs nothing
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pve-matrix-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

/** The image with something behind it that nobody reads: another template. */
function anotherTemplate(verb: string, token: bigint): typeof template {
  const content = Buffer.concat([readFileSync(path), Buffer.from(`${verb} ${token}`)])
  const own = join(folder, `${verb}-${token}.qcow2`)
  writeFileSync(own, content)
  return { path: own, sha256: createHash('sha256').update(content).digest('hex') }
}

/** VMs that are not ours and look like it. */
function addForeign({ world }: DriverStand): void {
  world.newVm('pve1', 10_900, { name: 'in-our-range', memory: '512' }, 'freehold')
  world.newVm('pve1', 10_901, { ...ofAnotherInstallation(10_901), memory: '512' }, 'freehold')
}

/** A verb that is made of others meets by default what may leave it half-way: the rest struck them already. */
function isEssential({ kind }: Fault): boolean {
  return ['cut-after', 'task-lost', 'id-taken', 'storage-full'].includes(kind)
}

// worlds of their own, so side by side
suite('fault matrix of the Proxmox driver', { concurrency: 3 }, () => {
  // the other questions are put by the same client in the same way
  const left = new Set(['state', 'metrics', 'templates', 'agent ping', 'agent network', 'problems', 'console', 'stop force'])
  for (const verb of verbs.filter(({ name }) => all || !left.has(name))) {
    test(`${verb.name}: success, clean retry or a named error, whatever strikes`, async (t) => {
      const journalFile = join(folder, `${verb.name.replaceAll(' ', '-')}.json`)
      const stand = await openDriverStand({ journalFile })
      t.after(() => stand.close())
      if (verb.grants !== undefined)
        stand.access.roles.set('FreeholdVM', `${stand.access.roles.get('FreeholdVM')} ${verb.grants}`)
      await stand.hypervisor.importTemplate(template)
      addForeign(stand)
      const templateFor = (token: bigint) => (verb.ownTemplate === true ? anotherTemplate(verb.name, token) : template)
      const probe = { key: testKey(1n), template: templateFor(1n) }
      await verb.before(stand.hypervisor, probe)
      verb.meanwhile?.(stand, probe)
      const original = { ...vmsOf(stand, probe.key)[0]?.config }
      const from = stand.log.length
      await verb.run(stand.hypervisor, probe)
      const places = placesIn(stand, from)
      await clearCell(stand, verb, probe)
      // a copy that an operator made, with our tag, name and description under another id: there in every cell
      if (original['description'] !== undefined) stand.world.newVm('pve1', 10_902, original, 'freehold')
      let token = 10n
      const unreachable: string[] = []
      const outcomes = { success: 0, retried: 0 }
      const codes = new Map<string, number>()
      for (const place of places) {
        for (const fault of faultsAt(place, all, place === places[0] ? 'first' : 'later').filter(
          (f) => all || !verb.composed || isEssential(f),
        )) {
          const cell = { key: testKey(token), template: templateFor(token) }
          token++
          const name = `${verb.name} × ${place.method} ${place.template} × ${nameOf(fault)}`
          try {
            const result = await runCell(stand, verb, cell, place, fault)
            if (result.kind === 'unreachable') unreachable.push(name)
            else outcomes[result.kind]++
            if (result.kind === 'retried' && result.code !== undefined) codes.set(result.code, (codes.get(result.code) ?? 0) + 1)
            await clearCell(stand, verb, cell)
          } catch (error) {
            throw new Error(name, { cause: error })
          }
        }
      }
      t.diagnostic(
        `${outcomes.success} cells succeeded, ${outcomes.retried} were told and retried: ${JSON.stringify(Object.fromEntries(codes))}`,
      )
      for (const name of unreachable) t.diagnostic(`unreachable: ${name}`)
      assert.ok(outcomes.success + outcomes.retried > unreachable.length * 4)
    })
  }
})
