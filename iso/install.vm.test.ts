import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import { seenInChromium } from './browser.ts'
import { sharedBetween, type Unique } from './distinct.ts'
import { inputs, passed, passedFile } from './inputs.ts'
import type { MachineOptions } from './machine.ts'
import { fingerprintAt, fingerprintOnScreen, openStand, seenOnScreen, type Stand } from './stand.ts'

// Boots the built image and what it installs: from a stick under BIOS where what it is made of is not what last passed, which writes
// iso/passed.json; every firmware and medium with --all.
const all = process.env['FREEHOLD_ALL'] === '1'
const now = inputs()
const pictures = resolve(import.meta.dirname, '../test-results/iso')
const same = passed().image === now.image && passed().packages === now.packages

const rows: [NonNullable<MachineOptions['firmware']>, 'usb' | 'cd'][] = all
  ? [
      ['bios', 'usb'],
      ['bios', 'cd'],
      ['uefi', 'usb'],
      ['uefi', 'cd'],
      ['secure-boot', 'usb'],
      ['secure-boot', 'cd'],
    ]
  : [['bios', 'usb']]

if (!all && same) {
  const why = 'nothing it is made of has changed since the run that iso/passed.json names'
  test('the image was installed and seen', { skip: why }, () => undefined)
} else {
  let stand: Stand
  /** What each row's machine has for itself. */
  const unique: Record<string, Unique> = {}
  before(async () => {
    stand = await openStand()
    await mkdir(pictures, { recursive: true })
  })
  after(() => stand?.close())

  for (const [firmware, as] of rows) {
    suite(`${firmware}, medium as ${as}`, () => {
      test('W1 W3 W4: installs unattended without a network, starts from the disk, and serves the wizard under the fingerprint of the screen', async (t) => {
        const host = stand.disk(`${firmware}-${as}`, 12)
        const said = await stand.install(host, { iso: { file: stand.iso, as }, firmware })
        const [, recovery = ''] = /recovery secret[^]*?((?:[A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4})/.exec(said) ?? []
        assert.notEqual(recovery, '')
        const httpsPort = await getPort({ host: '127.0.0.1' })
        const machine = await stand.start({ disks: [host], firmware, httpsPort })
        const shown = await fingerprintOnScreen(machine, 1200)
        const screen = await machine.serial()
        const [, code = ''] = /Type this code:\s+([0-9A-Z]{3} [0-9A-Z]{3})/.exec(screen) ?? []
        assert.notEqual(code, '')
        unique[`${firmware} ${as}`] = { fingerprint: shown, code, recovery }
        assert.match(screen, /https:\/\/10\.0\.2\.15/)
        assert.equal(await fingerprintAt(httpsPort, 300), shown)
        if (all && firmware === 'bios' && as === 'usb') {
          const seen = await seenInChromium(`https://127.0.0.1:${httpsPort}/setup`, 'Compare the SHA-256 fingerprint', 300)
          assert.equal(seen.fingerprint, shown)
        }
        // what stands before a person: tty1, character by character; the picture stays for people
        const drawn = (await seenOnScreen(machine, join(pictures, `screen-${firmware}-${as}.ppm`))).join('\n')
        assert.ok(drawn.endsWith(`must be\n${shown.slice(0, 47)}\n${shown.slice(48)}`), drawn)
        assert.ok(drawn.includes(code), drawn)
        const times = [...said.matchAll(/FREEHOLD-INSTALL (\S+) (\S+)/g)].map(([, at, phase]) => `${phase} ${at}`)
        t.diagnostic(`installer: ${times.join(', ')}; CPU seconds of QEMU to the wizard: ${await machine.cpuSeconds()}`)
        await machine.cut()
        if (firmware === 'bios' && as === 'usb') await writeFile(passedFile, `${JSON.stringify(now, null, 2)}\n`)
      })
    })
  }
  // one machine alone shares nothing with another
  if (rows.length > 1) {
    test('I1 W3 no two of these machines share a fingerprint, a code or a recovery secret', (t) => {
      const count = Object.keys(unique).length
      if (count < 2) t.skip(`${count} machine was installed`)
      assert.deepEqual(sharedBetween(unique), [])
    })
  }
}
