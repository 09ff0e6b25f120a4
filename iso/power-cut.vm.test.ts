import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { freePort } from '../testing/stands/free-port.ts'
import { answersFor, fingerprintAt, fingerprintOnScreen, openStand, type Stand } from './stand.ts'

// The power goes at five moments of installation and first boot. Afterwards the disk either is no host and says what to do, or is one
// whole host. With --all only: each row is an installation.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  before(async () => {
    stand = await openStand()
  })
  after(() => stand?.close())

  suite('in the installation', () => {
    for (const [moment, name] of [
      [/FREEHOLD-INSTALL \S+ partitioned/, 'after partitioning'],
      [/copied 50 %/, 'in the copy'],
      [/FREEHOLD-INSTALL \S+ grub-bios/, 'between the boot loaders'],
    ] as const) {
      test(`power cut ${name}: the disk starts no host that looks healthy, and installing again works`, async () => {
        const disk = stand.disk(name.replaceAll(' ', '-'), 12)
        const medium = { iso: { file: stand.iso, as: 'usb' as const } }
        const cut = await stand.start({ ...medium, disks: [disk], credentials: { 'freehold.answers': answersFor(disk.serial) } })
        await cut.waitFor(moment, 1800)
        await cut.cut()
        const httpsPort = await freePort()
        const half = await stand.start({ disks: [disk], httpsPort })
        // firmware without anything to start, GRUB without a menu, or a system that says it
        const found = await half
          .waitFor(/FREEHOLD-FAILED install-incomplete|No bootable device|grub rescue>|grub>/, 300, {
            failure: /must be\s+[0-9A-F]{2}:/,
          })
          .then(
            ([text]) => text,
            (error: Error) => error.message,
          )
        assert.doesNotMatch(found, /must be/)
        await assert.rejects(fingerprintAt(httpsPort))
        await half.cut()
        // the medium again: what was begun is told apart from a host, so an answer file may go on
        const answers = `${answersFor(disk.serial)}  wipeInstalled: true\n`
        await stand.install(disk, medium, answers)
      })
    }
  })

  suite('in the first boot', () => {
    test('power cut while it starts, and again when the screen shows the code: the next boot shows the wizard, with one fingerprint', async () => {
      const disk = stand.disk('first-boot', 12)
      await stand.install(disk)
      const early = await stand.start({ disks: [disk] })
      await early.waitFor(/systemd\[1\]|Welcome to|Freehold/, 600)
      await early.cut()
      const httpsPort = await freePort()
      const second = await stand.start({ disks: [disk], httpsPort })
      const shown = await fingerprintOnScreen(second, 1200)
      await second.cut()
      const third = await stand.start({ disks: [disk], httpsPort })
      assert.equal(await fingerprintOnScreen(third, 1200), shown)
      assert.equal(await fingerprintAt(httpsPort), shown)
    })
  })
}
