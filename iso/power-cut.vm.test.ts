import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import getPort from 'get-port'
import type { Machine } from './machine.ts'
import { allocated, answersFor, fingerprintAt, fingerprintOnScreen, openStand, untouched, type Stand } from './stand.ts'

// The power goes at seven moments of installation and first boot. Afterwards the disk either is no host and says what to do, or is one
// whole host. With --all only: each row is an installation.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  before(async () => {
    stand = await openStand()
  })
  after(() => stand?.close())

  /** A host that serves; what ends the wait for anything else. */
  const healthy = /must be\s+[0-9A-F]{2}:/

  suite('in the installation', () => {
    for (const [moment, name, serial, firmware] of [
      [/FREEHOLD-INSTALL \S+ partitioned/, 'after partitioning', 'CUT-1', 'bios'],
      [/FREEHOLD-INSTALL \S+ partitioned/, 'after partitioning', 'CUT-1U', 'uefi'],
      [/copied 50 %/, 'in the copy', 'CUT-2', 'bios'],
      [/FREEHOLD-INSTALL \S+ grub-bios/, 'between the boot loaders', 'CUT-3', 'bios'],
    ] as const) {
      test(`power cut ${name} (${firmware}): the disk says what to do and starts no host, and installing again works`, async () => {
        const disk = stand.disk(serial, 12)
        const medium = { iso: { file: stand.iso, as: 'usb' as const }, firmware }
        const cut = await stand.start({ ...medium, disks: [disk], credentials: { 'freehold.answers': answersFor(disk.serial) } })
        await cut.waitFor(moment, 3600)
        await cut.freeze()
        const said = await cut.serial()
        await cut.cut()
        // the power went in the middle: something was written, and the end was not reached
        assert.doesNotMatch(said, /FREEHOLD-INSTALL \S+ (menu|installed)/)
        assert.equal(untouched(disk.file), false)

        const httpsPort = await getPort({ host: '127.0.0.1' })
        const half = await stand.start({ disks: [disk], httpsPort, firmware })
        const failure = /must be\s+[0-9A-F]{2}:|grub>|grub rescue>|Shell>/
        await half.waitFor(/FREEHOLD-FAILED install-incomplete/, 600, { failure })
        await half.waitFor(/Start it from the Freehold medium again and install anew\./, 60, { failure })
        await assert.rejects(fingerprintAt(httpsPort))
        assert.doesNotMatch(await half.serial(), healthy)
        await half.cut()
        // the medium again: what was begun is no host, and the same answer file may write it
        await stand.install(disk, medium)
      })
    }

    test('power cut while the mark of an unfinished installation goes: the disk is a whole host, or says that it is none', async (t) => {
      const disk = stand.disk('last', 12)
      const cut = await stand.start({
        iso: { file: stand.iso, as: 'usb' },
        disks: [disk],
        credentials: { 'freehold.answers': answersFor(disk.serial) },
      })
      await cut.waitFor(/FREEHOLD-INSTALL \S+ menu/, 3600)
      await cut.freeze()
      const said = await cut.serial()
      await cut.cut()
      assert.doesNotMatch(said, /FREEHOLD-INSTALL \S+ installed/)
      const httpsPort = await getPort({ host: '127.0.0.1' })
      const next = await stand.start({ disks: [disk], httpsPort })
      const [text] = await next.waitFor(/FREEHOLD-FAILED install-incomplete|must be\s+[0-9A-F]{2}:/, 2400, {
        failure: /grub>|panic/,
      })
      t.diagnostic(text)
      if (healthy.test(text)) assert.equal(await fingerprintAt(httpsPort, 300), await fingerprintOnScreen(next, 60))
      else {
        await assert.rejects(fingerprintAt(httpsPort))
        await next.cut()
        await stand.install(disk)
      }
    })
  })

  /** Resolves when the disk has that much more on it than before; the machine stands still then. */
  async function written(machine: Machine, file: string, before: number, more: number): Promise<void> {
    const deadline = performance.now() + 2_400_000
    while (allocated(file) < before + more) {
      if (performance.now() > deadline) assert.fail(`nothing was written:\n${(await machine.serial()).slice(-2000)}`)
      await delay(50)
    }
    await machine.freeze()
  }

  suite('in the first boot', () => {
    test('power cut while it makes itself, and again when the screen shows the code: the next boot shows the wizard, with one fingerprint', async (t) => {
      const disk = stand.disk('first-boot', 12)
      await stand.install(disk)
      const installed = allocated(disk.file)
      const early = await stand.start({ disks: [disk] })
      // boot loader and kernel write nothing: this is the journal, the machine's id, its first keys
      await written(early, disk.file, installed, 512 * 1024)
      const said = await early.serial()
      await early.cut()
      assert.doesNotMatch(said, healthy)
      t.diagnostic(`cut after ${allocated(disk.file) - installed} bytes of the first boot`)
      const httpsPort = await getPort({ host: '127.0.0.1' })
      const second = await stand.start({ disks: [disk], httpsPort })
      const shown = await fingerprintOnScreen(second, 2400)
      await second.cut()
      const third = await stand.start({ disks: [disk], httpsPort })
      assert.equal(await fingerprintOnScreen(third, 2400), shown)
      assert.equal(await fingerprintAt(httpsPort, 300), shown)
    })
  })
}
