import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { allocated, answersFor, openStand, type Stand } from './stand.ts'

// What a person does with a stick: answer its questions at the keyboard, or lay an answer file onto it. With --all only: each row is
// an installation.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  before(async () => {
    stand = await openStand()
  })
  after(() => stand?.close())

  /** QEMU's names of the keys of a line of small letters. */
  const line = (text: string): string[] => [...text.split(''), 'ret']

  suite('by hand', () => {
    test('keys alone install: a second name that differs writes nothing and asks again; the right one, profile and Enter go on', async () => {
      const disk = stand.rawDisk('HAND', 12)
      const machine = await stand.start({ iso: { file: stand.iso, as: 'usb' }, disks: [disk] })
      const refused = { failure: /Kernel panic|FREEHOLD-FAILED|FREEHOLD-INSTALL \S+ (?:chosen|partitioned)/ }
      await machine.waitFor(/vda · 12\.9 GB · [^\n]*serial HAND · empty/, 1200, refused)
      await machine.waitFor(/ext4\. ZFS is not offered: [^]*Nothing has been written yet/, 60, refused)
      await machine.press(...line('vda'), ...line('vdb'))
      await machine.waitFor(/"vdb" is not the name of an offered disk[^]*Nothing has been written yet/, 300, refused)
      // the medium itself is no choice
      await machine.press(...line('sda'))
      await machine.waitFor(/"sda" is not the name of an offered disk[^]*Nothing has been written yet/, 300, refused)
      assert.equal(allocated(disk.file), 0)
      await machine.press(...line('vda'), ...line('vda'))
      await machine.waitFor(/Secure Boot off\./, 300, refused)
      assert.equal(allocated(disk.file), 0)
      await machine.press(...line('libvirt'))
      await machine.waitFor(/FREEHOLD-INSTALL \S+ installed/, 5400)
      assert.match(await machine.serial(), /(?:[A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}/)
      await machine.press('ret')
      await machine.poweredOff(300)
      const table = execFileSync('sfdisk', ['--dump', disk.file], { encoding: 'utf8' })
      assert.match(table, /name="freehold-root"/)
      assert.doesNotMatch(table, /freehold-begun/)
    })
  })

  suite('an answer file', () => {
    test('on a data partition of the medium itself', async () => {
      const disk = stand.disk('OWN', 12)
      const stick = join(stand.folder, 'with-answers.iso')
      execFileSync('cp', ['--sparse=always', stand.iso, stick])
      execFileSync('truncate', ['-s', '+32M', stick])
      // as iso/README.md says it for a real stick
      execFileSync('sfdisk', ['--quiet', '--wipe', 'never', '--append', stick], {
        input: 'size=16M, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n',
      })
      const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', stick], { encoding: 'utf8' })) as {
        partitiontable: { partitions: { start: number; size: number }[] }
      }
      const { start, size } = partitiontable.partitions.at(-1) ?? { start: 0, size: 0 }
      assert.equal(partitiontable.partitions.length, 4)
      const at = `${stick}@@${start * 512}`
      execFileSync('mformat', ['-i', at, '-T', String(size), '-v', 'FREEHOLD', '::'])
      const answers = join(stand.folder, 'own-answers.yaml')
      writeFileSync(answers, answersFor('OWN'))
      execFileSync('mcopy', ['-i', at, answers, '::answers.yaml'])
      await stand.install(disk, { iso: { file: stick, as: 'usb' }, credentials: {} })
    })
  })
}
