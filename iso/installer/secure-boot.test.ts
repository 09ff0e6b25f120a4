import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { faultLines, InstallFault } from './fault.ts'
import { checkSecureBoot, secureBootOn, secureBootVariable } from './secure-boot.ts'

test('profile proxmox with Secure Boot on is refused with the value and both ways out; everything else goes on', () => {
  for (const [profile, on, code] of [
    ['proxmox', true, 'secure-boot-on'],
    ['proxmox', false, undefined],
    ['libvirt', true, undefined],
    ['libvirt', false, undefined],
  ] as const) {
    let refused: InstallFault | undefined
    try {
      checkSecureBoot(profile, on)
    } catch (error) {
      assert.ok(error instanceof InstallFault)
      refused = error
    }
    assert.equal(refused?.code, code, `${profile} ${on}`)
    if (refused === undefined) continue
    const screen = faultLines(refused)
    for (const line of screen) assert.ok(line.length <= 78, line)
    assert.match(screen.join(' ').replaceAll(/\s+/g, ' '), /SecureBoot = 1.*Turn Secure Boot off.*profile libvirt/)
  }
})

test('the last byte of the firmware’s variable says it; without the variable there is none', async (t) => {
  const here = mkdtempSync(join(tmpdir(), 'fh-secure-boot-'))
  t.after(() => rmSync(here, { recursive: true }))
  assert.match(secureBootVariable, /\/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c$/)
  for (const [bytes, on] of [
    [[6, 0, 0, 0, 1], true],
    [[6, 0, 0, 0, 0], false],
    [[22, 0, 0, 0, 1], true],
    [[], false],
  ] as const) {
    const file = join(here, 'variable')
    writeFileSync(file, Buffer.from(bytes))
    assert.equal(await secureBootOn(file), on, bytes.join())
  }
  assert.equal(await secureBootOn(join(here, 'none')), false)
})
