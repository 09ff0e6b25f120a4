import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import { seenInChromium } from './browser.ts'
import { inputs, passed, passedFile } from './inputs.ts'
import type { MachineOptions } from './machine.ts'
import { fingerprintAt, fingerprintOnScreen, openStand, type Stand } from './stand.ts'

// Boots the built image and what it installs. BIOS from a stick also with FREEHOLD_IMAGE=1, which writes iso/passed.json; every
// firmware and medium with --all. The default run has the packages alone (scripts/deb/packages.int.test.ts): a cold build and an
// emulated installation are more than its ten minutes.
const all = process.env['FREEHOLD_ALL'] === '1'
const image = process.env['FREEHOLD_IMAGE'] === '1'
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

if (!all && (same || !image)) {
  const why = same
    ? 'nothing it is made of has changed since the run that iso/passed.json names'
    : 'it changed since the run that iso/passed.json names; FREEHOLD_IMAGE=1 builds it and installs from it'
  test('the image was installed and seen', { skip: why }, () => undefined)
} else {
  let stand: Stand
  before(async () => {
    stand = await openStand()
  })
  after(() => stand?.close())

  for (const [firmware, as] of rows) {
    suite(`${firmware}, medium as ${as}`, () => {
      test('W1 W3 W4: installs unattended without a network, starts from the disk, and serves the wizard under the fingerprint of the screen', async (t) => {
        const host = stand.disk(`${firmware}-${as}`, 12)
        const said = await stand.install(host, { iso: { file: stand.iso, as }, firmware })
        assert.match(said, /recovery secret[^]*?(?:[A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}/)
        const httpsPort = await getPort({ host: '127.0.0.1' })
        const machine = await stand.start({ disks: [host], firmware, httpsPort })
        const shown = await fingerprintOnScreen(machine, 1200)
        const screen = await machine.serial()
        assert.match(screen, /Type this code:\s+[0-9A-Z]{3} [0-9A-Z]{3}/)
        assert.match(screen, /https:\/\/10\.0\.2\.15/)
        assert.equal(await fingerprintAt(httpsPort), shown)
        if (all && firmware === 'bios' && as === 'usb') {
          const seen = await seenInChromium(`https://127.0.0.1:${httpsPort}/setup`, 'Compare the SHA-256 fingerprint', 300)
          assert.equal(seen.fingerprint, shown)
          // for people: what tty1 shows
          await mkdir(pictures, { recursive: true })
          await machine.picture(join(pictures, 'screen.ppm'))
        }
        const times = [...said.matchAll(/FREEHOLD-INSTALL (\S+) (\S+)/g)].map(([, at, phase]) => `${phase} ${at}`)
        t.diagnostic(`installer: ${times.join(', ')}; CPU seconds of QEMU to the wizard: ${await machine.cpuSeconds()}`)
        await machine.cut()
        if (firmware === 'bios' && as === 'usb') await writeFile(passedFile, `${JSON.stringify(now, null, 2)}\n`)
      })
    })
  }
}
