import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { findInCapture, readCapture, type Capture } from './capture.ts'
import { findOnDisk } from './disk.ts'
import { needlesOf, type Secret } from './needles.ts'
import { planted } from './setup-once.ts'

// The processes of an installed host set up from behind TLS, outside any machine: their whole writing goes to a disk of their own,
// a real ext4, and their public ports are recorded. What boots the image itself is open.vm.test.ts. With --all only: needs root,
// loop devices and tcpdump, and takes a minute.
if (process.env['FREEHOLD_ALL'] === '1') {
  const rootStart = 24_576
  const namespaces = [
    'set -e',
    'ip link set lo up',
    'mount --bind "$1" /mnt',
    `mount -t ext4 -o loop,offset=${rootStart * 512} "$0" /tmp`,
    'mkdir -p /tmp/var/log /tmp/var/lib /tmp/etc',
    'chmod 1777 /tmp',
    'status=0; "$2" "$3" /mnt || status=$?',
    'sync; umount /tmp || umount -l /tmp; exit $status',
  ].join('\n')

  suite('the setup of an installed host', () => {
    let folder: string
    let disk: string
    let secrets: Secret[]
    let capture: Capture
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'fh-setup-scan-'))
      disk = join(folder, 'disk.raw')
      execFileSync('truncate', ['-s', '6G', disk])
      execFileSync('sfdisk', ['--quiet', disk], {
        input: 'label: gpt\nstart=2048,size=2048\nstart=4096,size=20480\nstart=24576,size=12500000\n',
        stdio: ['pipe', 'ignore', 'inherit'],
      })
      execFileSync('mkfs.ext4', ['-q', '-F', '-E', `offset=${rootStart * 512}`, disk, '6200000k'], { stdio: 'ignore' })
      execFileSync(
        'unshare',
        [
          ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private', 'sh', '-c'],
          ...[namespaces, disk, folder, process.execPath, join(import.meta.dirname, 'setup-once.ts')],
        ],
        { stdio: ['ignore', 'inherit', 'inherit'], timeout: 900_000 },
      )
      secrets = JSON.parse(readFileSync(join(folder, 'secrets.json'), 'utf8')) as Secret[]
      capture = readCapture(readFileSync(join(folder, 'capture.pcap')))
    })
    after(() => rmSync(folder, { recursive: true, force: true }))

    test('I2 no secret of it passed in clear: code, session, keys', (t) => {
      assert.deepEqual(findInCapture(capture, needlesOf(secrets)), [])
      const bytes = capture.streams.reduce((sum, stream) => sum + stream.bytes.length, 0)
      t.diagnostic(`${secrets.map(({ name }) => name).join(', ')}; ${capture.streams.length} streams, ${bytes} bytes`)
      // more than a hand-shake: answers, pages of the run
      assert.ok(bytes > 20_000)
      assert.equal(Math.max(...capture.streams.map(({ missing }) => missing)), 0, 'the capture is whole')
    })

    test('the same look finds what was sent in clear on the same way', () => {
      const finds = findInCapture(capture, needlesOf([{ name: 'planted', value: planted }]))
      assert.ok(finds.some(({ where }) => where.startsWith('tcp ')))
    })

    test('I7 neither code nor session nor the key that paid stays on the disk, its free space included', (t) => {
      const gone = secrets.filter(({ name }) => name !== 'provisioner key')
      assert.equal(gone.length, 4)
      const { finds, rawBytes } = findOnDisk({ file: disk, format: 'raw' }, needlesOf(gone), join(folder, 'scan'))
      t.diagnostic(`${rawBytes} bytes looked through`)
      assert.deepEqual(finds, [])
    })

    test('the same look finds the key that the host goes on with, and one that was planted and deleted', () => {
      const stays = secrets.filter(({ name }) => name === 'provisioner key')
      assert.notDeepEqual(findOnDisk({ file: disk, format: 'raw' }, needlesOf(stays), join(folder, 'scan')).finds, [])
      const system = `${disk}?offset=${rootStart * 512}`
      for (const command of [`write ${join(folder, 'secrets.json')} gone`, 'rm gone']) {
        execFileSync('debugfs', ['-w', '-R', command, system], { stdio: 'ignore' })
      }
      const payer = needlesOf(secrets.filter(({ name }) => name === 'deployer key'))
      assert.notDeepEqual(findOnDisk({ file: disk, format: 'raw' }, payer, join(folder, 'scan')).finds, [])
    })
  })
}
